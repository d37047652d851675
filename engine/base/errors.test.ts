import { expect, it } from 'vitest';
import { asMillraceError, MillraceError } from './errors.ts';

it('takes an error of another copy of the package for what it is', () => {
  class Other extends Error {
    override readonly name = 'MillraceError';
    readonly code = 'bad_config';
    readonly retriable = true;
  }
  const thrown = new Other('Not so.');
  const error = asMillraceError(thrown);
  expect(error).toBeInstanceOf(MillraceError);
  expect(error).toMatchObject({ code: 'bad_config', retriable: true, message: 'Not so.', cause: thrown });
  expect(asMillraceError(error)).toBe(error);
  expect(asMillraceError(new Error('else'))).toMatchObject({ code: 'internal', retriable: false });
});
