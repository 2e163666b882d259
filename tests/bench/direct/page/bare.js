// `window.bare`: one plain data channel, in the visitor's page and in that of a Chromium that is the host.
//
// Words of the visitor: "down" (send until "stop", then say "stopped"), "end" (say how much has come), "echo".

(() => {
  const PIECE = 64 * 1024;
  const HIGH = 1024 * 1024;
  const LOW = 256 * 1024;

  let connection;
  let channel;
  let received = 0;
  let sending = false;
  /** What the other side says next. */
  let heard = () => {};
  let moved = () => {};

  const make = () => {
    connection = new RTCPeerConnection();
    channel = connection.createDataChannel("bare", { negotiated: true, id: 0 });
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = LOW;
    channel.onmessage = ({ data }) => {
      if (typeof data === "string") {
        heard(data);
      } else {
        received += data.byteLength;
        moved();
      }
    };
    return new Promise((resolve) => (channel.onopen = resolve));
  };

  const gathered = () =>
    new Promise((resolve) => {
      const look = () => connection.iceGatheringState === "complete" && resolve(connection.localDescription.sdp);
      connection.onicegatheringstatechange = look;
      look();
    });

  /** Sends for as long as `goesOn()`. */
  const pump = async (goesOn) => {
    const piece = new Uint8Array(PIECE);
    while (goesOn()) {
      if (channel.bufferedAmount < HIGH) channel.send(piece);
      else await new Promise((resolve) => (channel.onbufferedamountlow = resolve));
    }
  };

  const answerTo = (word) => {
    if (word === "down") {
      sending = true;
      void pump(() => sending).then(() => channel.send("stopped"));
    } else if (word === "stop") {
      sending = false;
      channel.onbufferedamountlow?.();
    } else if (word === "end") {
      channel.send(String(received));
      received = 0;
    } else {
      channel.send(word);
    }
  };

  const ask = (word) =>
    new Promise((resolve) => {
      heard = resolve;
      channel.send(word);
    });

  window.bare = {
    async offer() {
      this.opened = make();
      await connection.setLocalDescription(await connection.createOffer());
      return gathered();
    },
    async answer(sdp) {
      this.opened = make();
      heard = answerTo;
      await connection.setRemoteDescription({ type: "offer", sdp });
      await connection.setLocalDescription(await connection.createAnswer());
      return gathered();
    },
    accept: (sdp) => connection.setRemoteDescription({ type: "answer", sdp }),
    async down(ms) {
      received = 0;
      const stopped = new Promise((resolve) => (heard = resolve));
      channel.send("down");
      await new Promise((resolve) => (moved = resolve));
      const began = performance.now();
      received = 0;
      const result = await new Promise((resolve) => {
        moved = () => {
          const elapsed = performance.now() - began;
          if (elapsed >= ms) resolve({ bytes: received, ms: elapsed });
        };
      });
      moved = () => {};
      channel.send("stop");
      await stopped;
      return result;
    },
    async up(ms) {
      const began = performance.now();
      await pump(() => performance.now() - began < ms);
      const bytes = Number(await ask("end"));
      return { bytes, ms: performance.now() - began };
    },
    async echo(count) {
      const times = [];
      for (let done = 0; done < count; done++) {
        const began = performance.now();
        await ask("echo");
        times.push(performance.now() - began);
      }
      return times;
    },
    close() {
      sending = false;
      connection?.close();
    },
  };
})();
