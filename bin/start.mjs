// `npm start`: with arguments, the tool itself; with none, a dry run of the demo store.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import program from '../dist/cli/main.js';

const args = process.argv.slice(2);
if (args.length > 0) {
  process.exitCode = await program.main(args);
} else {
  const { makeDemoStore } = await import('../fixtures/demo/make.js');
  const root = mkdtempSync(join(tmpdir(), 'regsweep-demo-'));
  process.on('exit', () => rmSync(root, { recursive: true, force: true }));
  makeDemoStore(root);
  process.exitCode = await program.main(['plan', root, '-m']);
}
