import { readFileSync } from 'node:fs';
import { AppError, messageOf } from './errors.js';

/** A text that comes with the program. @throws AppError `io` where the installation lacks it */
export function readAsset(file: URL): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const hint = ['is the installation whole? install regsweep again'];
    throw new AppError('io', `a part of the program is missing: ${messageOf(error)}`, hint, error);
  }
}
