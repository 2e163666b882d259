// The networks that bulk is measured through: each path under each condition.

/** Round trips in ms; `undefined`: no router, both ends on one machine. */
export const PATHS = { loopback: 0, "5 ms": 5, "50 ms": 50 };
export const CONDITIONS = {
  unpaced: {},
  "80 Mbit/s": { bytesPerSecond: 10_000_000, queueBytes: 500_000 },
  "1 % loss": { lostPerMillion: 10_000 },
};

/** Every cell: its names, what the router is to be, and where the visitor is. */
export const NETWORKS = Object.entries(PATHS).flatMap(([path, roundTripMs]) =>
  Object.entries(CONDITIONS).map(([condition, network]) => ({
    path,
    condition,
    network: { delayMicros: (roundTripMs * 1_000) / 2, ...network },
    // Without a delay and a limit there is nothing for a router to do, and it would be the limit.
    side: path === "loopback" && condition === "unpaced" ? "host" : "visitor",
  })),
);
