// A client that ends its side of the connection may have gone, or may still read: a socket does not tell which. Answers of a known length are
// written all the same; what would go on for ever, or works for this client alone, takes the end as its leave.
import type { ServerResponse } from 'node:http';

/** Calls back once: at the end of the client's side or of the connection, also when that has been already. */
export function whenClientLeaves(response: ServerResponse, callback: () => void): void {
  const { socket } = response;
  let isDone = false;
  const leave = () => {
    if (isDone) return;
    isDone = true;
    socket?.off('end', leave);
    callback();
  };
  response.once('close', leave);
  socket?.once('end', leave);
  if (response.destroyed || socket?.readableEnded) queueMicrotask(leave);
}
