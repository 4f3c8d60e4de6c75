import { PLAN_FORMAT } from '../../src/plan/plan-file.ts';
import type { PlanHeader } from '../../src/plan/plan-file.ts';

/** The header of a plan of no store, of no grace and no counts, but for some parts. */
export function planHeader(parts: Partial<PlanHeader> = {}): PlanHeader {
  return {
    kind: 'header',
    format: PLAN_FORMAT,
    tool: 'regsweep test',
    created: '2026-01-15T12:00:00.000Z',
    root: '/r/docker/registry/v2',
    dev: 1,
    ino: '2',
    policyHash: '',
    policy: 'drop no manifest',
    options: {
      graceMs: 0,
      uploadsOlderThanMs: 0,
      orphansOnly: false,
      writeOff: [],
      allowMounts: [],
    },
    counts: {},
    ...parts,
  };
}
