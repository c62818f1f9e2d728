/** For `node --require logagent/stdout`: every print is one write that waits for room. */
export {};
