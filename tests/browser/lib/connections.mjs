// Runs in a page before its scripts.

/** Keeps the connections that the page makes, and their channels, in `window.connections`. */
export function collectConnections() {
  window.connections = [];
  const Native = RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    channels = [];
    constructor(...args) {
      super(...args);
      window.connections.push(this);
    }
    createDataChannel(...args) {
      const channel = super.createDataChannel(...args);
      this.channels.push(channel);
      return channel;
    }
  };
}
