/** The extras: what a page can do without for its first moments (see `../page/extras.ts`, which loads them). */

import { type Extras, HANDOVER } from "../page/extras.ts";
import { showBadge } from "./badge.ts";
import { openDirectSocket } from "./direct-socket.ts";
import { networkOf } from "./network.ts";
import { observeTransferred } from "../transferred.ts";

const detail: Extras = { openDirectSocket, showBadge, networkOf, observeTransferred };
document.currentScript?.dispatchEvent(new CustomEvent(HANDOVER, { detail }));
