'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { stream } = require('..');
const { PACKAGE, Server, numbered, place, run } = require('./support');

const socketIn = (directory) => path.join(directory, 'a.sock');

/** Without showing both where they differ: they are long. */
function assertSame(actual, expected) {
  let at = 0;
  while (at < expected.length && actual[at] === expected[at]) {
    at += 1;
  }
  const shown = `${actual.length} instead of ${expected.length} characters, at ${at}: `
    + JSON.stringify(actual.slice(at, at + 40));
  assert.ok(actual === expected, shown);
}

/** What arrives of `chunks`. */
async function arrived(t, chunks, options = {}) {
  const server = await Server.at(t, socketIn(place(t)));
  const out = stream({ socket: server.socket, mark: false, ...options });
  chunks.forEach((chunk) => out.write(...[].concat(chunk)));
  await new Promise((resolve) => {
    out.end(resolve);
  });
  await server.ended();
  return server.connections.map(({ bytes }) => bytes).join('');
}

test('a line arrives behind the name of its stream, in one piece with it', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  const out = stream({ socket: server.socket, stream: 'web', mark: false });
  out.write('hello\n');
  await server.has(1);
  assert.equal(server.connections[0].bytes, 'logagent/1 stream=web\nhello\n');
  assert.equal(server.connections[0].chunks, 1);
  assert.deepEqual(out.counters, {
    written: 1, writtenBytes: 6, buffered: 0, bufferedBytes: 0, dropped: 0, droppedBytes: 0,
    gaps: 0, fragments: 0, resets: 0, unread: 0, connections: 1, connected: true,
  });
  out.destroy();
});

test('lines are what newlines end, wherever chunks end', async (t) => {
  const text = 'a\n\nbc\r\nd\u00e9\u{1f600}f\nlast';
  const whole = Buffer.from(`${text}\n`).toString('latin1');
  assert.equal(await arrived(t, [text]), whole);
  assert.equal(await arrived(t, [...text].map((part) => [part])), whole);
  assert.equal(await arrived(t, Array.from(Buffer.from(text), (byte) => Buffer.of(byte))), whole);
  // Text whose halves are two strings, and text that turns into bytes inside a line.
  assert.equal(await arrived(t, ['\ud83d', '\ude00\n']), Buffer.from('\u{1f600}\n').toString('latin1'));
  assert.equal(await arrived(t, ['\u00e9', Buffer.of(0xff), '\u00e9\n', '\u00e9\n']),
    '\u00c3\u00a9\u00ff\u00c3\u00a9\n\u00c3\u00a9\n');
  assert.equal(await arrived(t, [['w6k=', 'base64'], ['\u00e9\n', 'latin1']]), '\u00c3\u00a9\u00e9\n');
});

test('bytes that are no UTF-8 are kept', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
  assert.equal(await arrived(t, [Buffer.from(bytes, 'latin1')]), `${bytes}\n`);
});

test('a line of any length is one line', async (t) => {
  const lines = [1, 100, 32_767, 32_768, 32_769, 100_000, 1_000_000, 3]
    .map((length, at) => `${at}${'x'.repeat(length - 1)}\n`);
  assertSame(await arrived(t, lines), lines.join(''));
  assertSame(await arrived(t, [lines.join('')]), lines.join(''));
  const wide = lines.map((line) => line.replaceAll('x', '\u00e9'));
  assertSame(await arrived(t, wide), Buffer.from(wide.join('')).toString('latin1'));
});

test('every line says its process, and its instance where it has one', async (t) => {
  const { pid } = process;
  const text = 'one\ntwo\n{"level":30}\n{"a":{}}\r\n{"pid":99999999,"b":1}\n'
    + `{"level":30,"pid":${pid},"msg":"of pino"}\n{"c":1,"pid":${pid}}\n{}\n{ "d": 1 }\n{"torn":\n`
    + `{"child":{"pid":${pid}}}\n`;
  assert.equal(await arrived(t, [text], { mark: true }), `[${pid}] one\n[${pid}] two\n`
    + `{"pid":${pid},"level":30}\n{"pid":${pid},"a":{}}\r\n{"pid":${pid},"pid":99999999,"b":1}\n`
    + `{"level":30,"pid":${pid},"msg":"of pino"}\n{"c":1,"pid":${pid}}\n[${pid}] {}\n`
    + `[${pid}] { "d": 1 }\n[${pid}] {"torn":\n`
    + `{"pid":${pid},"child":{"pid":${pid}}}\n`);
  for (const [instance, shown, json] of [['0', '0', '0'], ['web-2', 'web-2', '"web-2"'],
    ['a"\n]', 'a"?]', '"a\\"?]"'], ['007', '007', '"007"']]) {
    process.env.NODE_APP_INSTANCE = instance;
    t.after(() => delete process.env.NODE_APP_INSTANCE);
    assert.equal(await arrived(t, ['one\n{"a":1}\n', `{"pid":${pid}}\n`], { mark: true }),
      `[${pid}:${shown}] one\n{"pid":${pid},"instance":${json},"a":1}\n`
      + `{"instance":${json},"pid":${pid}}\n`);
  }
  delete process.env.NODE_APP_INSTANCE;
});

test('a wrong option is told where the stream is made', () => {
  const wrong = (options, message) => assert.throws(() => stream(options), { message });
  wrong({ socket: '' }, /^logagent: socket is "": it must be the path of a Unix socket$/);
  wrong({ socket: `/${'x'.repeat(107)}` }, /the path has 108 bytes, a Unix socket's at most 107$/);
  for (const name of ['', '.a', 'a b', 'a/b', 'a\n', 'é', 'x'.repeat(129), 7]) {
    wrong({ stream: name }, /^logagent: stream is .*: a stream has letters, digits/);
  }
  for (const bytes of [0, 1023, 1.5, '8MiB', NaN, Infinity]) {
    wrong({ bufferBytes: bytes }, /^logagent: bufferBytes is .*: it must be a whole number from 1024/);
  }
  wrong({ exitTimeout: -1 }, /^logagent: exitTimeout is -1: it must be a whole number from 0 to 60000$/);
  wrong({ mark: 'yes' }, /^logagent: mark is "yes": it must be true or false$/);
  wrong('web', /^logagent: options is "web": they must be an object$/);
});

test('socket and stream may be in the environment', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  process.env.LOGAGENT_SOCKET = server.socket;
  process.env.LOGAGENT_STREAM = 'from@env';
  t.after(() => {
    delete process.env.LOGAGENT_SOCKET;
    delete process.env.LOGAGENT_STREAM;
  });
  const out = stream();
  out.end('hello\n');
  await server.has(1);
  assert.match(server.connections[0].bytes, /^logagent\/1 stream=from@env\n\[\d+\] hello\n$/);
});

test('a write that returns false is followed by drain, also while nobody listens', async (t) => {
  const out = stream({ socket: socketIn(place(t)), exitTimeout: 0 });
  let waits = false;
  out.on('drain', () => {
    waits = false;
  });
  for (let round = 1; round <= 20; round += 1) {
    // Older versions of Node.js return false for every line that is this long.
    waits = !out.write(`${'x'.repeat(200_000)}\n`);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    assert.ok(!waits);
  }
  assert.equal(out.counters.buffered, 20);
  out.destroy();
});

test('the last line of a turn goes also while the process has nothing else to do', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  const program = run(t, `
    const out = require(${JSON.stringify(PACKAGE)}).stream(
      { socket: ${JSON.stringify(server.socket)}, mark: false });
    out.write('line 0\\n');
    process.stdin.resume();
    process.stdin.once('data', () => setTimeout(() => {
      for (let i = 1; i < 4; i += 1) out.write('line ' + i + '\\n');
    }, 50));`, { stdin: 'pipe' });
  await server.has(1);
  program.child.stdin.write('\n');
  assert.deepEqual(await server.has(4), numbered(4));
});

test('the clocks that the tests of an app put in place are not ours', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  const program = run(t, `
    const { stream } = require(${JSON.stringify(PACKAGE)});
    globalThis.setTimeout = globalThis.setImmediate = () => ({ ref() {}, unref() {} });
    Date.now = () => undefined;
    const out = stream({ socket: ${JSON.stringify(server.socket)}, mark: false, bufferBytes: 1024 });
    out.write('first\\nsecond\\n');
    out.write('x'.repeat(1024) + '\\n');
    process.stdin.resume();`, { stdin: 'pipe' });
  const lines = await server.has(3);
  assert.deepEqual(lines.slice(0, 2), ['first', 'second']);
  assert.match(lines[2], /^logagent: gap: 1 lines, 1025 bytes lost, \d{4}-.*: longer than the buffer$/);
  assert.equal(program.stderr.match(/LogagentWarning/g).length, 1);
});

test('what is written after the end is no error of the app', async (t) => {
  const warnings = [];
  const listener = (warning) => warnings.push(warning);
  process.on('warning', listener);
  t.after(() => process.removeListener('warning', listener));
  const server = await Server.at(t, socketIn(place(t)));
  const out = stream({ socket: server.socket, mark: false });
  out.end('first\n');
  out.write('late\n');
  await new Promise((resolve) => {
    out.once('close', resolve);
  });
  out.write('too late\n');
  assert.deepEqual(await server.has(1), ['first']);
  const told = warnings.filter(({ message }) => message.includes('written after the end'));
  assert.deepEqual(told.map(({ code }) => code), ['LOGAGENT_LOST']);
  assert.equal(out.counters.dropped, 2);
});

test('what is written after the end does not disturb the end', async (t) => {
  const server = await Server.at(t, socketIn(place(t)), { reads: false });
  const out = stream({ socket: server.socket, mark: false, exitTimeout: 20_000 });
  const long = 'x'.repeat(1_000_000);
  const ended = new Promise((resolve) => {
    out.end(`${long}\n`, resolve);
  });
  const late = await new Promise((resolve) => {
    out.write('late\n', resolve);
  });
  assert.match(late.message, /written after the end/);
  server.read();
  assert.ok(!await ended);
  assert.equal(out.errored, null);
  assert.deepEqual(await server.has(1), [long]);
});

test('a runtime that tells no descriptors loses nothing either', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  const program = run(t, `
    const net = require('net');
    const { connect } = net;
    net.connect = (options) => {
      const socket = connect(options);
      Object.defineProperty(socket._handle, 'fd', { value: undefined });
      return socket;
    };
    const out = require(${JSON.stringify(PACKAGE)}).stream(
      { socket: ${JSON.stringify(server.socket)}, stream: 'web', mark: false });
    for (let i = 0; i < 50000; i += 1) out.write('line ' + i + '\\n');
    out.end(() => console.log(out.counters.written));`);
  await program.ended;
  assert.equal(program.stdout, '50000\n');
  assert.equal(program.stderr, '');
  await server.ended();
  assert.ok(server.connections[0].bytes.startsWith('logagent/1 stream=web\n'));
  assertSame(server.lines.join('\n'), numbered(50_000).join('\n'));
});
