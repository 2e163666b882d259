/**
 * The policies of the document itself (`<meta>`). The edge judges those in field lines; these stand behind our script
 * and are in force for all that it asks for later, which would be blocked with a complaint in the console.
 */

/** Whether those that are there by now let us work. */
export function policiesAllow(): boolean {
  const metas = document.querySelectorAll<HTMLMetaElement>('meta[http-equiv="content-security-policy" i]');
  return [...metas].every(({ content }) => allows(content));
}

/** As the edge judges (`inject/policy.rs`): where a policy is unusual, the answer is no. */
export function allows(policy: string): boolean {
  const directives = policy
    .toLowerCase()
    .split(";")
    .map((directive) => directive.trim().split(/\s+/));
  return (
    !/require-(trusted|sri)/i.test(policy) &&
    OURS.every((names) => {
      const sources = names.map((name) => directives.find(([first]) => first === name)).find(Boolean);
      return !sources || ((sources.includes("'self'") || sources.includes("*")) && !sources.includes("'strict-dynamic'"));
    })
  );
}

/** For scripts, the worker, signaling: the first directive that is there decides. */
const OURS = [
  ["script-src-elem", "script-src", "default-src"],
  ["worker-src", "child-src", "script-src", "default-src"],
  ["connect-src", "default-src"],
];
