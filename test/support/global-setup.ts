import { requirePackages } from './packages.ts';

/** Once for the whole run: what the tests need from Debian is installed before any worker asks for it. */
export function setup(): void {
  const missing = requirePackages(['docker-registry', 'skopeo', 'strace', 'chromium', 'jq']);
  if (missing.length > 0) {
    process.stderr.write(
      `Not on this machine, so their tests are skipped: ${missing.join(', ')}\n`,
    );
  }
}
