'use strict';

// What we have to say ourselves, on the standard error: never in the app's way, never through
// console, which may lead back to us.

const { writeSync } = require('node:fs');
const { isMainThread } = require('node:worker_threads');

/**
 * A warning of the process: on the standard error unless the app does something else with them.
 *
 * @param {string} text
 * @param {string} code
 */
function warn(text, code) {
  process.emitWarning(`logagent: ${text}`, { type: 'LogagentWarning', code });
}

/**
 * When the process ends there is no time for warnings.
 *
 * @param {string} text
 */
function tellAtExit(text) {
  try {
    writeSync(2, `logagent: ${text}\n`);
  } catch {
    // Nobody can be told.
  }
}

/**
 * When a stream ends. A thread may end with it, and its warnings would not get out any more.
 *
 * @param {string} text
 * @param {string} code
 */
function tellAtEnd(text, code) {
  if (isMainThread) {
    warn(text, code);
  } else {
    tellAtExit(text);
  }
}

/** @param {number} count @param {string} one */
function counted(count, one) {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

module.exports = { warn, tellAtEnd, tellAtExit, counted };
