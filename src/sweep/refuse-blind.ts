import { AppError } from '../fs/errors.js';

/**
 * Nothing is swept while something may be hidden.
 * @param blind a path and why it could not be seen, each; empty when all was seen.
 * @throws AppError `refused`
 */
export function refuseBlind(blind: readonly string[]): void {
  const first = blind[0];
  if (first === undefined) return;
  const more = blind.length > 1 ? [`and ${blind.length - 1} more`] : [];
  throw new AppError('refused', `not everything could be seen: ${first}`, [
    ...more,
    'nothing is removed while something may be hidden; regsweep plan says what to do',
  ]);
}
