'use strict';

// The loggers as they are installed for the tests, each in a process of its own.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { Server, place, run, until } = require('./support');

const COUNT = 1000;
const EXIT = 'process.exit(1);';

const PINO = (stream) => `
  const logger = require('pino')(${stream});
  for (let i = 0; i < ${COUNT}; i += 1) logger.info({ i }, 'hello');`;
const LOG4JS = (options, more = '') => `
  const log4js = require('log4js');
  log4js.configure({
    appenders: { out: { type: 'logagent/log4js', ...${options} } },
    categories: { default: { appenders: ['out'], level: 'info' } },
    ${more}
  });
  const logger = log4js.getLogger();
  for (let i = 0; i < ${COUNT}; i += 1) logger.info('hello', i);`;
const WINSTON = (options, more = '') => `
  const winston = require('winston');
  const { Logagent } = require('logagent/winston');
  const transport = new Logagent(${options});
  const logger = winston.createLogger({ transports: [transport], ${more} });
  for (let i = 0; i < ${COUNT}; i += 1) logger.info('hello', { i });`;

/** What arrives of a program that is made with the options, as text, for our part of it. */
async function logged(t, program, { end = { code: 1 }, env, stderr = /^$/ } = {}) {
  const server = await Server.at(t, path.join(place(t), 'a.sock'));
  const options = JSON.stringify({ socket: server.socket, stream: 'web', exitTimeout: 20_000 });
  const running = run(t, program(options), { env });
  await running.ended;
  assert.match(running.stderr, stderr);
  assert.equal(running.code, end.code, running.stderr);
  await server.ended();
  assert.ok(server.connections.every(({ bytes }) => bytes.startsWith('logagent/1 stream=web\n')));
  return { lines: server.lines, pid: running.child.pid, stdout: running.stdout };
}

/** Every line is there, and says its process. */
function checkJson({ lines, pid }, more = {}) {
  assert.equal(lines.length, COUNT);
  lines.forEach((line, at) => {
    const fields = JSON.parse(line);
    assert.equal(fields.i, at);
    assert.equal(fields.pid, pid);
    assert.equal(line.split('"pid"').length, 2);
    Object.entries(more).forEach(([name, value]) => assert.equal(fields[name], value));
  });
}

test('pino in the process: each line once, with its pid once, at process.exit', async (t) => {
  checkJson(await logged(t, (options) => PINO(`require('logagent').stream(${options})`) + EXIT));
});

test('pino tells its instance', async (t) => {
  const env = { NODE_APP_INSTANCE: '3' };
  checkJson(await logged(t, (options) => PINO(`require('logagent').stream(${options})`) + EXIT,
    { env }), { instance: 3 });
});

test('pino as a transport: each line once, at process.exit right behind the last', async (t) => {
  checkJson(await logged(t,
    (options) => PINO(`{ transport: { target: 'logagent/pino', options: ${options} } }`) + EXIT));
});

test('pino as one transport of two', async (t) => {
  checkJson(await logged(t, (options) => `${PINO(`{ transport: { targets: [
    { target: 'logagent/pino', options: ${options} },
    { target: 'pino/file', options: { destination: '/dev/null' } }] } }`)} ${EXIT}`));
});

test('pino as a transport of a program that ends by itself, or fails', async (t) => {
  const pino = (options) => PINO(`{ transport: { target: 'logagent/pino', options: ${options} } }`);
  checkJson(await logged(t, pino, { end: { code: 0 } }));
  checkJson(await logged(t, (options) => `${pino(options)} throw new Error('mine');`,
    { stderr: /Error: mine/ }));
});

test('pino as a transport runs on while nobody listens, and tells what is lost', async (t) => {
  const options = JSON.stringify({ socket: path.join(place(t), 'a.sock'), exitTimeout: 100 });
  const program = run(t,
    `${PINO(`{ transport: { target: 'logagent/pino', options: ${options} } }`)} ${EXIT}`);
  await program.ended;
  assert.equal(program.code, 1);
  assert.match(program.stderr, /logagent: 1000 lines lost, not delivered to/);
});

test('pino says what is wrong with an option of its transport', async (t) => {
  const program = run(t, PINO("{ transport: { target: 'logagent/pino', options: { stream: '.x' } } }"));
  await program.ended;
  assert.notEqual(program.code, 0);
  assert.match(program.stderr, /logagent: stream is "\.x": a stream has letters/);
});

test('a fatal error of pino has been handed over when the call returns', async (t) => {
  const { lines, stdout } = await logged(t, (options) => `
    const out = require('logagent').stream(${options});
    const logger = require('pino')(out);
    logger.info('first');
    logger.info('second');
    logger.fatal('third');
    console.log(out.counters.written);
    logger.flush(() => console.log('flushed'));`, { end: { code: 0 } });
  assert.equal(lines.length, 3);
  assert.equal(stdout, '3\nflushed\n');
});

test('log4js: each line once, with its pid, at process.exit', async (t) => {
  const { lines, pid } = await logged(t, (options) => LOG4JS(options) + EXIT,
    { env: { NODE_APP_INSTANCE: '1' } });
  assert.equal(lines.length, COUNT);
  lines.forEach((line, at) => {
    assert.ok(line.startsWith(`[${pid}:1] [20`), line);
    assert.ok(line.endsWith(`[INFO] default - hello ${at}`), line);
  });
});

test('log4js: its layouts, and shutdown calls back when everything has arrived', async (t) => {
  const { lines, stdout } = await logged(t, (options) => `${LOG4JS(`{ ...${options}, mark: false,
    layout: { type: 'pattern', pattern: '%p %m' } }`)}
    log4js.shutdown((error) => {
      console.log(!error);
      process.kill(process.pid, 'SIGKILL');
    });`, { end: { code: null } });
  assert.deepEqual(lines, Array.from({ length: COUNT }, (_, at) => `INFO hello ${at}`));
  assert.equal(stdout, 'true\n');
});

test('log4js: a record of several lines is several lines, each with its pid', async (t) => {
  const { lines, pid } = await logged(t, (options) => `${LOG4JS(options)}
    logger.error(new Error('mine'));`, { end: { code: 0 } });
  const trace = lines.slice(COUNT);
  assert.match(trace[0], /\[ERROR\] default - Error: mine$/);
  assert.ok(trace.length > 2 && trace.slice(1).every((line) => line.startsWith(`[${pid}]     at `)));
});

const CLUSTER = (options, more) => `
  const cluster = require('node:cluster');
  if (cluster.isPrimary) {
    for (let i = 0; i < 2; i += 1) cluster.fork();
    let left = 2;
    cluster.on('exit', () => {
      left -= 1;
      if (left === 0) process.exit(1);
    });
  } else {
    ${LOG4JS(options, more)}
    setTimeout(() => process.exit(0), 50);
  }`;

test('log4js: each worker of a cluster has its own way, with disableClustering', async (t) => {
  const { lines } = await logged(t, (options) => CLUSTER(options, 'disableClustering: true'));
  assert.equal(lines.length, 2 * COUNT);
  const pids = new Set(lines.map((line) => /^\[(\d+)\]/.exec(line)[1]));
  assert.equal(pids.size, 2);
});

test('log4js: below PM2, without disableClustering, the mistake is told', async (t) => {
  const server = await Server.at(t, path.join(place(t), 'a.sock'));
  const options = JSON.stringify({ socket: server.socket });
  // As PM2 starts an app, with a primary process that knows nothing of log4js.
  const program = run(t, CLUSTER(options, ''), { env: { pm_id: '0' } });
  await program.ended;
  assert.equal(program.stderr.match(/LOGAGENT_CLUSTERING.*disableClustering: true/g).length, 2);
  assert.deepEqual(server.lines, []);
});

test('winston: each line once, with its pid, at process.exit', async (t) => {
  checkJson(await logged(t, (options) => WINSTON(options) + EXIT), { level: 'info' });
});

test('winston: end of the logger is end of the transport', async (t) => {
  const { stdout, ...all } = await logged(t, (options) => `${WINSTON(options)}
    transport.on('finish', () => console.log('finished', transport.counters.buffered));
    logger.end();`, { end: { code: 0 } });
  checkJson(all);
  assert.equal(stdout, 'finished 0\n');
});

test('winston: level, silent and format of the transport', async (t) => {
  const text = `winston.format.printf(({ level, message }) => level + ' ' + message)`;
  const { lines } = await logged(t, (options) => `
    const winston = require('winston');
    const { Logagent } = require('logagent/winston');
    const to = (more) => new Logagent({ ...${options}, mark: false, ...more });
    const quiet = to({ silent: true });
    const logger = winston.createLogger({ level: 'debug', transports: [
      to({ level: 'warn', format: ${text} }), quiet] });
    logger.debug('no');
    logger.warn('yes');
    logger.child({ a: 1 }).error('and\\nthis');
    logger.log('silly', 'never');
    quiet.silent = false;
    setImmediate(() => {
      logger.debug('now');
      logger.remove(quiet);
      setImmediate(() => logger.info('not any more'));
    });`, { end: { code: 0 } });
  const expected = ['warn yes', 'error and', 'this', '{"level":"debug","message":"now"}'];
  assert.deepEqual(lines.sort(), expected.sort());
});

test('winston: exceptions that it handles are there when the process ends', async (t) => {
  const { lines } = await logged(t, (options) => `
    ${WINSTON(`{ ...${options}, handleExceptions: true }`)}
    throw new Error('mine');`);
  assert.equal(lines.length, COUNT + 1);
  assert.match(lines[COUNT], /uncaughtException: mine/);
});

test('winston: a format that throws costs no line', async (t) => {
  const { lines } = await logged(t, (options) => `
    const winston = require('winston');
    const { Logagent } = require('logagent/winston');
    const format = { transform: () => { throw new Error('mine'); } };
    const logger = winston.createLogger({ transports: [new Logagent({ ...${options}, format })] });
    logger.info('one');
    logger.info('two');`, { end: { code: 0 }, stderr: /LOGAGENT_FORMAT.*mine/ });
  assert.deepEqual(lines.map((line) => JSON.parse(line).message), ['one', 'two']);
});

test('every logger runs on while nobody listens', async (t) => {
  const socket = path.join(place(t), 'a.sock');
  const options = JSON.stringify({ socket, bufferBytes: 4096, exitTimeout: 0 });
  for (const program of [PINO(`require('logagent').stream(${options})`), LOG4JS(options),
    WINSTON(options)]) {
    const running = run(t, `${program} setTimeout(() => console.log('on'), 20);`);
    await running.ended;
    assert.equal(running.code, 0);
    assert.equal(running.stdout, 'on\n');
    const lost = /logagent: (\d+) lines lost, not delivered to/.exec(running.stderr);
    assert.equal(Number(lost[1]), COUNT);
    await until(() => running.stderr.includes('LOGAGENT_GAP'), 'the warning');
  }
});
