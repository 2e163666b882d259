(() => {
  // A HEAD of this very address waits at the edge until the host is back, and then reaches the app.
  let wait = 500, timer = 0, busy = false;
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(look, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 1.5, 5000);
  };
  const look = async () => {
    if (busy) return;
    busy = true;
    try {
      const answer = await fetch(location.href, {
        method: "HEAD", cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(15000)
      });
      const error = answer.headers.get("wingman-error");
      if (error !== "host-away" && error !== "edge-shutdown") return location.reload();
    } catch {
      // The edge is away as well, or the visitor is offline.
    }
    busy = false;
    again();
  };
  const now = () => {
    if (document.visibilityState === "visible") { wait = 500; look(); }
  };
  addEventListener("online", now);
  addEventListener("visibilitychange", now);
  again();
})();
