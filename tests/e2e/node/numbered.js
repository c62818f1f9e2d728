'use strict';

// Numbered lines, byte for byte as the tests' own clients send them.

const FILLER_BYTES = 103;
let filler = '';
for (let at = 0; at < 3 * 26 + FILLER_BYTES; at++) {
  filler += String.fromCharCode(97 + ((at * at + Math.floor(at / 7)) % 26));
}

/** Line `number` of `client`, without its newline. */
function numbered(client, number) {
  const start = (client * 31 + number) % 78;
  const digits = `${String(client).padStart(5, '0')} ${String(number).padStart(9, '0')}`;
  return `${digits} ${filler.slice(start, start + FILLER_BYTES)}`;
}

module.exports = { numbered };
