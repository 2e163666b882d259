// The home page. Each block below drives one card.

const $ = (id) => document.getElementById(id);
const hex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, "0")).join("");
const sha256 = async (buffer) => hex(await crypto.subtle.digest("SHA-256", buffer));
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

$("here").textContent = location.origin;

// To-do list
async function showTodos() {
  const todos = await (await fetch("/api/todos")).json();
  $("todo-list").replaceChildren(...todos.map(({ id, title }) => {
    const item = document.createElement("li");
    const done = element("button", "Done");
    done.setAttribute("aria-label", `Done: ${title}`);
    done.addEventListener("click", async () => {
      await fetch(`/api/todos/${id}`, { method: "DELETE" });
      await showTodos();
    });
    item.append(element("span", title), done);
    return item;
  }));
}
$("todo-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const title = $("todo-title").value;
  event.target.reset();
  await fetch("/api/todos", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ title }),
  });
  await showTodos();
});

// Chat
const me = `visitor ${Math.floor(Math.random() * 900 + 100)}`;
let chat;
function joinChat(delay = 500) {
  chat = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/chat`, "sample-chat.v1");
  chat.addEventListener("open", () => {
    delay = 500;
    $("chat-state").textContent = "live";
    $("chat-state").classList.add("live");
  });
  chat.addEventListener("message", ({ data }) => {
    const { from, text } = JSON.parse(data);
    const line = document.createElement("li");
    line.append(element("b", from === me ? "you" : from), ` ${text}`);
    $("chat-lines").append(line);
    while ($("chat-lines").childElementCount > 200) $("chat-lines").firstElementChild.remove();
    $("chat-lines").scrollTop = $("chat-lines").scrollHeight;
  });
  chat.addEventListener("close", () => {
    $("chat-state").textContent = "reconnecting";
    $("chat-state").classList.remove("live");
    setTimeout(joinChat, delay, Math.min(delay * 2, 10_000));
  });
}
joinChat();
$("chat-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (chat.readyState !== WebSocket.OPEN) return;
  chat.send(JSON.stringify({ from: me, text: $("chat-text").value }));
  event.target.reset();
});

// Clock
const clock = new EventSource("/sse");
let events = 0;
clock.addEventListener("open", () => {
  $("clock-state").textContent = "live";
  $("clock-state").classList.add("live");
});
clock.addEventListener("error", () => {
  $("clock-state").textContent = "reconnecting";
  $("clock-state").classList.remove("live");
});
clock.addEventListener("message", ({ data }) => {
  const { at_ms } = JSON.parse(data);
  $("clock-time").textContent = new Date(at_ms).toTimeString().slice(0, 8);
  $("clock-count").textContent = ++events;
  $("clock-age").textContent = Math.max(0, Date.now() - at_ms).toFixed(0);
});

// Login
async function showLogin() {
  const { name } = await (await fetch("/api/me")).json();
  $("login-form").hidden = name !== null;
  $("logout-form").hidden = name === null;
  $("login-who").textContent = name ?? "";
}

// Upload and download
$("upload-file").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  $("upload-result").textContent = `Uploading ${file.size.toLocaleString()} bytes …`;
  try {
    const response = await fetch("/upload", { method: "POST", body: file });
    const { bytes, sha256 } = await response.json();
    $("upload-result").textContent = `${bytes} bytes arrived, SHA-256 ${sha256}`;
  } catch (error) {
    $("upload-result").textContent = `Upload failed: ${error.message}`;
  }
  target.value = "";
});
$("download-check").addEventListener("click", async ({ target }) => {
  const bytes = 3_000_000;
  target.disabled = true;
  $("download-result").textContent = "Downloading …";
  try {
    const [content, expected] = await Promise.all([
      fetch(`/download?bytes=${bytes}`).then((response) => response.arrayBuffer()),
      fetch(`/download/sha256?bytes=${bytes}`).then((response) => response.json()),
    ]);
    const same = content.byteLength === bytes && (await sha256(content)) === expected.sha256;
    $("download-result").textContent = same ? `${bytes} bytes, the hash is right` : "The hash is WRONG";
  } catch (error) {
    $("download-result").textContent = `Download failed: ${error.message}`;
  }
  target.disabled = false;
});

// Streamed answers
$("stream-start").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  try {
    const response = await fetch("/ndjson?count=20&interval_ms=100");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const started = performance.now();
    let [rest, lines] = ["", 0];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const complete = (rest + value).split("\n");
      rest = complete.pop();
      for (const line of complete) lines = JSON.parse(line).n;
      $("stream-progress").value = lines;
      $("stream-result").textContent = `${lines} lines in ${((performance.now() - started) / 1000).toFixed(1)} s`;
    }
    $("stream-result").textContent += ", complete";
  } catch (error) {
    $("stream-result").textContent = `Stream failed: ${error.message}`;
  }
  target.disabled = false;
});

await Promise.all([showTodos(), showLogin()]);
document.documentElement.dataset.ready = "yes";
