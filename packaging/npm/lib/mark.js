'use strict';

// Says in each line which process it is of.

const BRACE = '{'.charCodeAt(0);
const BRACE_END = '}'.charCodeAt(0);
const QUOTE = '"'.charCodeAt(0);
const RETURN = '\r'.charCodeAt(0);

/** Whether `line`, which ends with a newline, looks like a JSON object with a field. */
function isObject(line) {
  if (line.charCodeAt(0) !== BRACE || line.charCodeAt(1) !== QUOTE) {
    return false;
  }
  let end = line.length - 2;
  if (line.charCodeAt(end) === RETURN) {
    end -= 1;
  }
  return line.charCodeAt(end) === BRACE_END;
}

/** Whether `line` has `field`, with its whole value, before any object or list inside it. */
function has(line, field) {
  const at = line.indexOf(field);
  if (at === -1 || /[{[]/.test(line.slice(1, at))) {
    return false;
  }
  const next = line[at + field.length];
  return next === ',' || next === '}';
}

/** PM2 numbers its instances; whatever else stands there is text. */
function instanceValue(instance) {
  return /^(0|[1-9][0-9]{0,8})$/.test(instance) ? instance : JSON.stringify(instance);
}

/**
 * Makes the function that marks a line. A line has its newline, and keeps it.
 *
 * A JSON object gets the fields `pid` and `instance` at its front, unless it says them already:
 * pino's lines have their `pid`. Any other line gets `[pid]` or `[pid:instance]`.
 *
 * @param {number} pid
 * @param {string | undefined} instance
 * @returns {(line: string) => string}
 */
function marking(pid, instance) {
  const named = instance !== undefined && instance !== '';
  // What is no printable ASCII would tear the line, or the mark.
  const shown = named ? instance.replace(/[^\x21-\x7e]/g, '?').slice(0, 64) : '';
  const prefix = named ? `[${pid}:${shown}] ` : `[${pid}] `;
  const pidField = `"pid":${pid}`;
  const instanceField = named ? `"instance":${instanceValue(shown)}` : '';

  return (line) => {
    if (!isObject(line)) {
      return prefix + line;
    }
    const withPid = has(line, pidField);
    const withInstance = !named || has(line, instanceField);
    if (withPid && withInstance) {
      return line;
    }
    const fields = withPid ? instanceField
      : withInstance ? pidField : `${pidField},${instanceField}`;
    return `{${fields},${line.slice(1)}`;
  };
}

module.exports = { marking };
