/** What the browser tells of the path between page and host. */

import type { Network } from "../page/report.ts";

/** The kind of path that ICE chose, if the browser says it. */
export async function networkOf(connection: RTCPeerConnection): Promise<Network | undefined> {
  const stats = await connection.getStats();
  let chosen: RTCIceCandidatePairStats | undefined;
  stats.forEach((entry: RTCIceCandidatePairStats) => {
    if (entry.type === "candidate-pair" && entry.nominated && entry.state === "succeeded") chosen = entry;
  });
  const at = (id: string | undefined): Candidate | undefined => stats.get(id ?? "") as Candidate | undefined;
  const local = at(chosen?.localCandidateId);
  // The page's own address may be hidden behind a name.
  const family = at(chosen?.remoteCandidateId)?.address?.includes(":") ? "v6" : "v4";
  return local && { candidate: local.candidateType, protocol: local.protocol, family };
}

interface Candidate {
  readonly candidateType: Network["candidate"];
  readonly protocol: Network["protocol"];
  readonly address?: string;
}
