/** The function, remembering its last result: for arguments that seldom change from one event to the next. */
export function memoLast<R>(of: (argument: number) => R): (argument: number) => R {
  let last: { readonly argument: number; readonly result: R } | undefined;
  return (argument) => {
    if (last?.argument !== argument) last = { argument, result: of(argument) };
    return last.result;
  };
}
