// A program: the flat list of system calls that the launcher performs, and its binary form.
// Pure: nothing here opens a file. Which calls a container needs is decided by the compilers
// (compile-*.ts); what the bytes mean to the launcher is in native-bindings/launcher/program.c.
import { EngineError } from '../../errors/engine-error.ts';
import { OPCODES, type OpName } from './opcodes.ts';

export type OpArgument = number | bigint | string | Uint8Array | readonly string[];

/** One operation. The types of `args` follow the signature in OPCODES. */
export interface Op {
  readonly op: OpName;
  readonly args: readonly OpArgument[];
  /** ENOENT and ENOTDIR of this operation are not errors. */
  readonly ignoreMissing?: true;
  /** Of an operation that attaches a bind mount: where it comes from. Not part of the bytes. */
  readonly from?: string;
  /** A few words for `tsdocker explain`; not part of the bytes. */
  readonly why?: string;
}

export interface Program {
  readonly ops: readonly Op[];
}

export const MAX_PROGRAM_BYTES = 4 * 1024 * 1024;
export const MAX_PROGRAM_OPS = 4096;
/** Descriptors that a program may name: 0 to 2 belong to the launcher. */
export const FIRST_PROGRAM_FD = 3;
export const LAST_PROGRAM_FD = 1023;

const MAGIC = 'TSD1';
const HEADER_BYTES = 12;
const OP_HEADER_BYTES = 4;
const FLAG_IGNORE_MISSING = 1;

/**
 * The program as the launcher reads it: "TSD1", u32 length, u32 count, then the operations, all little endian.
 * Throws EngineError 'invalid' when a string holds a NUL (which the kernel could not be given), 'system' when an argument
 * does not fit its signature.
 */
export function encodeProgram(program: Program): Buffer {
  if (program.ops.length > MAX_PROGRAM_OPS) {
    throw new EngineError('invalid', `the container needs more than ${MAX_PROGRAM_OPS} operations: use fewer mounts`);
  }
  let size = HEADER_BYTES;
  for (const op of program.ops) size += OP_HEADER_BYTES + argumentBytes(op);
  if (size > MAX_PROGRAM_BYTES) {
    throw new EngineError(
      'invalid',
      `arguments and environment are too large: ${size} bytes, at most ${MAX_PROGRAM_BYTES}`,
    );
  }
  const out = Buffer.alloc(size);
  out.write(MAGIC, 0, 'latin1');
  out.writeUInt32LE(size, 4);
  out.writeUInt32LE(program.ops.length, 8);
  let offset = HEADER_BYTES;
  for (const op of program.ops) offset = writeOp(out, offset, op);
  return out;
}

function argumentBytes(op: Op): number {
  const { signature } = OPCODES[op.op];
  if (op.args.length !== signature.length) {
    throw new EngineError('system', `program: ${op.op} takes ${signature.length} arguments, not ${op.args.length}`);
  }
  let size = 0;
  for (const [index, letter] of [...signature].entries()) {
    const argument = op.args[index];
    if ((letter === 'i' || letter === 'f' || letter === 'd') && isInteger(argument)) size += 8;
    else if (letter === 's' && typeof argument === 'string') size += stringBytes(op, argument);
    else if (letter === 'b' && argument instanceof Uint8Array) size += 4 + argument.length;
    else if (letter === 'l' && Array.isArray(argument)) {
      size += 4;
      for (const item of argument) size += stringBytes(op, item);
    } else throw new EngineError('system', `program: argument ${index} of ${op.op} is not of type '${letter}'`);
  }
  return size;
}

function isInteger(value: OpArgument | undefined): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
}

function stringBytes(op: Op, text: string): number {
  if (text.includes('\0'))
    throw new EngineError('invalid', `${op.op}: ${JSON.stringify(text)} contains a NUL character`);
  return 4 + Buffer.byteLength(text) + 1;
}

function writeOp(out: Buffer, start: number, op: Op): number {
  const { code, signature } = OPCODES[op.op];
  let offset = out.writeUInt8(code, start);
  offset = out.writeUInt8(signature.length, offset);
  offset = out.writeUInt16LE(op.ignoreMissing ? FLAG_IGNORE_MISSING : 0, offset);
  for (const argument of op.args) {
    if (typeof argument === 'number' || typeof argument === 'bigint') {
      offset = writeInteger(out, offset, BigInt(argument));
    } else if (typeof argument === 'string') {
      offset = writeString(out, offset, argument);
    } else if (argument instanceof Uint8Array) {
      offset = out.writeUInt32LE(argument.length, offset);
      out.set(argument, offset);
      offset += argument.length;
    } else {
      offset = out.writeUInt32LE(argument.length, offset);
      for (const item of argument) offset = writeString(out, offset, item);
    }
  }
  return offset;
}

// 64-bit masks arrive as unsigned BigInt: the launcher reads the same bits.
function writeInteger(out: Buffer, offset: number, value: bigint): number {
  if (BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value) {
    throw new EngineError('system', `program: ${value} does not fit 64 bits`);
  }
  return out.writeBigInt64LE(BigInt.asIntN(64, value), offset);
}

function writeString(out: Buffer, offset: number, text: string): number {
  const length = out.write(text, offset + 4);
  out.writeUInt32LE(length, offset);
  return out.writeUInt8(0, offset + 4 + length);
}
