// Logs a table of values, and as many random ones as it is told, through log4js's own file appender
// and through its tcp appender: node values.js FILE PORT COUNT SEED
'use strict';

const log4js = require('log4js');

const [file, port, count, seed] = process.argv.slice(2);

let state = Number(seed);
/** A whole number below `limit`, the same ones for the same seed (mulberry32). */
function below(limit) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % limit;
}

const oneOf = (values) => values[below(values.length)];

const NUMBERS = [0, 1, -1, 7, 42, 1.5, -0.1, 0.1 + 0.2, 1e21, 1.25e-7, 1e-6, 123456789012345680000, 5e-324,
  Number.MAX_VALUE, Number.MAX_SAFE_INTEGER, NaN, Infinity, -Infinity];
const TEXTS = ['', 'a', 'abc', 'it\'s', 'say "hi"', 'it\'s "hi"', 'it\'s "`', '`', '${a}', 'a\\b', 'tab\tand\rcr',
  'two\nlines', '\u0000\u0001\u001b[31m\u007f\u009f', 'äöü €', '__LOG4JS', '_', 'x'.repeat(15), 'y'.repeat(30),
  'z'.repeat(75), 'w'.repeat(100), ('v'.repeat(60) + '\n').repeat(3) + 'end', '12px', '0x1f', ' 12 ', '1.5e3',
  '100%', '%s', '%d%', 'toString', '7', 'long '.repeat(30)];
const FORMATS = ['%s', '%d', '%i', '%f', '%j', '%o', '%O', '%c', '%%', '%x', '%', 'a', ' ', 'ä', '%s %s'];
const KEYS = ['a', 'b', 'key', 'a-b', '1', '12', 'ä', '', 'message', 'stack', '__proto', 'with space', 'longerkey',
  'it\'s', 'constructor'];

function text() {
  return below(4) ? oneOf(TEXTS) : oneOf(TEXTS) + ' ' + oneOf(TEXTS);
}

function number() {
  return below(3) ? below(oneOf([10, 1000, 1000000])) : oneOf(NUMBERS);
}

/** A value; `shared` are some that it may hold. */
function value(levels, shared) {
  switch (below(levels > 0 ? 12 : 6)) {
    case 0: return number();
    case 1: return oneOf([true, false, null, undefined]);
    case 2:
    case 3:
    case 4: return text();
    case 5: return number();
    case 6:
    case 7: return array(levels, shared);
    case 8: return errors ? error(levels, shared) : {};
    case 9: return shared.length ? oneOf(shared) : {};
    default: return object(levels, shared);
  }
}

function array(levels, shared) {
  const made = [];
  if (levels > 2) shared.push(made);
  const length = oneOf([0, 2, 3, 6, 7, 8, 12, 25, 99, 100, 101, 130]);
  const kind = below(4);
  for (let i = 0; i < (kind === 3 ? length % 9 : length); i += 1) {
    if (kind === 0) made.push(number());
    else if (kind === 1) made.push(oneOf(TEXTS));
    else if (kind === 2) made.push(below(100));
    else made.push(value(levels - 1, shared));
  }
  // log4js takes [NaN] for NaN, and ["toString"] for a function, since they look alike as texts.
  return made.length === 1 ? [made[0], 'x'] : made;
}

function object(levels, shared) {
  const made = {};
  if (levels > 1) shared.push(made);
  const length = below(8);
  for (let i = 0; i < length; i += 1) {
    const key = oneOf(KEYS);
    // What has both is taken for an error.
    if (key !== 'stack' || !('message' in made)) {
      if (key !== 'message' || !('stack' in made)) made[key] = value(levels - 1, shared);
    }
  }
  return made;
}

function error(levels, shared) {
  const made = new (oneOf([Error, TypeError, RangeError]))(text() || 'nothing');
  if (!below(3)) made.stack = made.stack.split('\n    at')[0];
  if (!below(3)) made.code = 'E' + below(100);
  if (!below(4)) made.details = value(levels - 2, shared);
  return made;
}

let errors = true;

function data() {
  const shared = [];
  const values = [];
  let format = '';
  if (below(3)) {
    for (let i = below(6); i > 0; i -= 1) format += oneOf(FORMATS);
    values.push(format);
  }
  // Of an error %o shows what log4js does not send, and what number an array is nobody wants to know.
  errors = !format.includes('%o');
  const levels = /%[dif]/.test(format) ? 0 : 1 + below(5);
  for (let i = below(4); i > 0; i -= 1) values.push(value(levels, shared));
  // log4js sends ["toString"] as a function, which is nothing.
  return values.length === 1 ? [values[0], 1] : values;
}

function table() {
  const cycle = { name: 'cycle', list: [1, { two: 2 }] };
  cycle.self = cycle;
  cycle.list.push(cycle.list);
  const deep = { a: { b: { c: { d: { e: { f: {} } } } } } };
  const same = 'the same text, again and again, in every object';
  return [
    [], [''], ['a'], ['%%'], ['%%', 1], ['a %s', 'b'], ['a', 'b', 1, null, undefined, true],
    ['half of a character \ud83d'], ['😀 %s', '😀'],
    [new Error('broken')], ['failed:', new TypeError('broken')], [Object.assign(new Error('a'), { code: 'ENOENT', errno: -2 })],
    [{ err: new Error('inside') }], ['%s', new Error('broken')], ['%j', new Error('broken')],
    [cycle], ['%j', cycle], ['%s', cycle], ['%o', cycle], [deep], ['%j', deep], ['%o', deep], ['%O', deep], [[[[[[1]]]]]],
    [Array.from({ length: 50 }, (_, index) => ({ text: same, index }))],
    [new Array(100).fill(same)],
    [{ request: { method: 'GET', url: '/a?b=c', headers: { host: 'localhost', accept: '*/*' } }, ms: 1.25 }],
    [['x'.repeat(10001)]], [['ä'.repeat(10002)]], ['x'.repeat(20000)],
    ...NUMBERS.map((it) => [it, '%d', it]), ...NUMBERS.map((it) => ['%d %i %f %s %j', it, it, it, it, it]),
    ...TEXTS.map((it) => ['%d %i %f %s %j', it, it, it, it, it]), ...TEXTS.map((it) => [[it, 1], { it }]),
    ['%d %i %f', null, null, null], ['%d %i %f', undefined, undefined, undefined], ['%d %i %f %s', true, true, true, true],
    ['%d %i %f', {}, {}, {}], ['%j', undefined], ['%j %j', { a: undefined, b: [undefined, NaN] }, null],
  ];
}

log4js.configure({
  appenders: {
    file: { type: 'file', filename: file },
    tcp: { type: 'tcp', host: '127.0.0.1', port: Number(port) },
  },
  categories: { default: { appenders: ['file', 'tcp'], level: 'all' } },
});
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'mark'];
const CATEGORIES = ['default', 'web', 'db.pool', 'with space', 'ä'];
const values = table();
for (let i = 0; i < Number(count); i += 1) values.push(data());
for (const [index, it] of values.entries()) {
  log4js.getLogger(CATEGORIES[index % CATEGORIES.length])[LEVELS[index % LEVELS.length]](...it);
}
log4js.shutdown((failed) => {
  if (failed) throw failed;
});
