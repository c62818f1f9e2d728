'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { PACKAGE } = require('./support');

const described = JSON.parse(fs.readFileSync(path.join(PACKAGE, 'package.json'), 'utf8'));

test('the package has the version of the program', () => {
  const program = fs.readFileSync(path.join(PACKAGE, '../../Cargo.toml'), 'utf8');
  assert.equal(described.version, /^version = "(.*)"$/m.exec(program)[1]);
});

test('the package needs no other, and brings the same licence', () => {
  assert.equal(described.dependencies, undefined);
  assert.equal(described.license, 'MIT');
  const licence = (directory) => fs.readFileSync(path.join(directory, 'LICENSE'), 'utf8');
  assert.equal(licence(PACKAGE), licence(path.join(PACKAGE, '../..')));
});

test('what is packed is what is needed', () => {
  const argv = ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'];
  const [packed] = JSON.parse(execFileSync('npm', argv, { cwd: PACKAGE, stdio: ['ignore', 'pipe', 'ignore'] }));
  const files = packed.files.map((file) => file.path);
  const exported = Object.values(described.exports)
    .flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)));
  for (const file of [...exported, './README.md', './LICENSE']) {
    assert.ok(files.includes(file.replace('./', '')), file);
  }
  assert.ok(!files.some((file) => file.startsWith('tests/')), String(files));
  assert.equal(packed.bundled.length, 0);
});

test('everything that is exported has its types, with the same names', () => {
  for (const [name, entry] of Object.entries(described.exports)) {
    // stdout.js has none, and would change this process.
    if (name !== './package.json' && name !== './stdout') {
      const exported = require(path.join(PACKAGE, entry.default));
      const types = fs.readFileSync(path.join(PACKAGE, entry.types), 'utf8');
      const names = typeof exported === 'function' ? [] : Object.keys(exported);
      for (const one of names) {
        assert.match(types, new RegExp(`export (declare )?(function|class|const) ${one}\\b`));
      }
    }
  }
});
