import { describe, expect, test } from 'vitest';
import { splitSignature } from '../../../../daemon/protocols/dbus/dbus-codec.ts';
import { decodeMessage, encodeCall, messageLength } from '../../../../daemon/protocols/dbus/dbus-message.ts';
import { FormatError } from '../../../../daemon/protocols/format-error.ts';
import { jobRemoved, otherTypes, startCall, unitExists } from './golden-messages.ts';

describe('D-Bus messages', () => {
  test('a call holds what GLib puts into one', () => {
    const properties = [
      ['Slice', { signature: 's', value: 'a.slice' }],
      ['PIDs', { signature: 'au', value: [42] }],
      ['Delegate', { signature: 'b', value: true }],
      ['TasksMax', { signature: 't', value: 0xffff_ffff_ffff_ffffn }],
    ];
    const ours = encodeCall({
      serial: 7,
      path: '/org/freedesktop/systemd1',
      interface: 'org.freedesktop.systemd1.Manager',
      member: 'StartTransientUnit',
      signature: 'ssa(sv)a(sa(sv))',
      body: ['x.scope', 'replace', properties, []],
    });
    // The fields of the header may come in any order.
    expect(decodeMessage(ours)).toEqual(decodeMessage(startCall));
    expect(ours.length).toBe(startCall.length);
    const body = (bytes: Buffer) => bytes.subarray(bytes.length - bytes.readUInt32LE(4)).toString('hex');
    expect(body(ours)).toBe(body(startCall));
  });

  test('signals, errors and other types are read', () => {
    expect(decodeMessage(jobRemoved)).toMatchObject({
      type: 'signal',
      member: 'JobRemoved',
      body: [12, '/org/freedesktop/systemd1/job/12', 'x.scope', 'done'],
    });
    expect(decodeMessage(unitExists)).toMatchObject({
      type: 'error',
      replySerial: 7,
      errorName: 'org.freedesktop.systemd1.UnitExists',
      body: ['Unit x.scope already exists.'],
    });
    const inner = { signature: '(sb)', value: ['v', false] };
    expect(decodeMessage(otherTypes).body).toEqual([[['k', inner]], -5n, -6, 7, 'ai']);
  });

  test('the length is known from the first sixteen bytes, and bounded', () => {
    expect(messageLength(jobRemoved.subarray(0, 15))).toBeUndefined();
    for (const bytes of [jobRemoved, startCall, unitExists])
      expect(messageLength(bytes.subarray(0, 16))).toBe(bytes.length);
    const huge = Buffer.from(jobRemoved);
    huge.writeUInt32LE(0x7fff_fff0, 4);
    expect(() => messageLength(huge)).toThrow(/it has \d+ bytes/);
    const swapped = Buffer.from(jobRemoved);
    swapped[0] = 0x42;
    expect(() => messageLength(swapped)).toThrow(/another byte order/);
  });

  test('what is cut short or changed is refused, and never read beyond its end', () => {
    for (let length = 0; length < startCall.length; length++) {
      expect(() => decodeMessage(startCall.subarray(0, length))).toThrow();
    }
    for (let at = 0; at < startCall.length; at++) {
      for (const byte of [0, 0x7f, 0xff]) {
        const changed = Buffer.from(startCall);
        changed[at] = byte;
        try {
          decodeMessage(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }
  });

  test('signatures are split, and bounded in depth', () => {
    expect(splitSignature('sa(sv)ua{sv}')).toEqual(['s', 'a(sv)', 'u', 'a{sv}']);
    expect(() => splitSignature('(s')).toThrow(/type/);
    expect(() => splitSignature('a'.repeat(100))).toThrow(/nested/);
    expect(() => splitSignature('z')).toThrow(/type z/);
  });
});
