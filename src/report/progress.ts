import { formatCount, formatSeconds } from './format.js';

/** Shows how far a long run is. `done` of `total` items of a stage, and a few words on it. */
export interface Progress {
  update(stage: string, done: number, total: number, note?: string): void;
  /** Clears what was drawn. */
  stop(): void;
}

export const SILENT: Progress = { update: () => undefined, stop: () => undefined };

/** Nothing is shown for runs shorter than this. Milliseconds. */
const QUIET_MS = 500;
const LINE_EVERY_MS = 5000;

/** A plain line every few seconds, for where no terminal is. */
export function lineProgress(write: (text: string) => void, now: () => number): Progress {
  let last = now();
  let current = '';
  let stageStarted = last;
  return {
    update(stage, done, total, note) {
      if (stage !== current) stageStarted = now();
      current = stage;
      if (now() - last < LINE_EVERY_MS || done === total) return;
      last = now();
      const left = leftOf(now() - stageStarted, done, total);
      const parts = [`${formatCount(done)} of ${formatCount(total)}`, note, left];
      write(`${stage}: ${parts.filter((part) => part !== undefined && part !== '').join(', ')}\n`);
    },
    stop: () => undefined,
  };
}

/** A bar a stage on a terminal, with what is left of it; on stderr, as cli-progress does. */
export async function barProgress(now: () => number): Promise<Progress> {
  const { default: cliProgress } = await import('cli-progress');
  const started = now();
  let bar: InstanceType<typeof cliProgress.SingleBar> | undefined;
  let current = '';
  let stageStarted = started;
  return {
    update(stage, done, total, note = '') {
      if (now() - started < QUIET_MS) return;
      if (stage !== current) {
        bar?.stop();
        current = stage;
        stageStarted = now();
        bar = new cliProgress.SingleBar(
          {
            format: '  {stage} {bar} {value}/{total}  {note}{left}',
            barsize: 20,
            hideCursor: true,
            clearOnComplete: true,
          },
          cliProgress.Presets.shades_classic,
        );
        bar.start(total, done, { stage: stage.padEnd(12), note: '', left: '' });
      }
      bar?.setTotal(total);
      const left = leftOf(now() - stageStarted, done, total);
      bar?.update(done, { note: note === '' ? '' : `${note}  `, left });
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

function leftOf(spentMs: number, done: number, total: number): string {
  if (done === 0 || spentMs < QUIET_MS) return '';
  return `${formatSeconds(((spentMs / done) * (total - done)) / 1000)} left`;
}
