#!/usr/bin/env node
const { main } = require('../dist/cli/main.js');
// Where nothing is left to wait for and no code is known, Node would end as if all were well.
process.once('beforeExit', () => (process.exitCode ??= 1));
void main(process.argv.slice(2)).then((code) => (process.exitCode = code));
