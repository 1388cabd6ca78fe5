namespace Gauntlet.Vmm.Tracing;

/// <summary>
/// The numbers of QEMU's binary <c>simpletrace</c> format, version 4 (QEMU, docs/devel/tracing.rst and scripts/simpletrace.py), all in the host's byte order:
/// three 64-bit words of header, then records, each begun by a 64-bit type. A mapping gives an event's id its name: id (64 bits), length (32), name. An event:
/// id, time in nanoseconds (64 each), length of the record from its id on, process id (32 each), then each field as 64 bits, or as a 32-bit length and text.
/// </summary>
internal static class SimpleTrace
{
    public const ulong HeaderId = ulong.MaxValue, Magic = 0xf2b177cb0aa429b4, Version = 4, Dropped = ulong.MaxValue - 1;
    public const ulong MappingRecord = 0, EventRecord = 1;

    /// <summary>An event's id, time, length and process, in bytes.</summary>
    public const int EventHeaderBytes = 24;

    /// <summary>Longest name and text of a field that is read or written, in bytes.</summary>
    public const int MaxTextBytes = 512;
}
