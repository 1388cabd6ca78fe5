namespace Gauntlet.Vmm.Tracing;

/// <summary>
/// The events that there are, in one place for who tells them and who reads them. A device's own carry its name: <c>i8254_write</c>,
/// <c>virtio_blk_pci_queue_pop</c>; what belongs to one is found by the name's end.
/// </summary>
public static class TraceEvents
{
    private const string ReadEnd = "_read", WriteEnd = "_write", PopEnd = "_queue_pop", PushEnd = "_queue_push", ResetEnd = "_queue_reset";

    private static readonly TraceField s_device = Text("device");

    private static readonly TraceField[] s_register = [s_device, Text("register"), Number64("offset"), Number32("size"), Number64("value")];
    private static readonly TraceField[] s_pop = [s_device, Number32("queue"), Number32("id")];
    private static readonly TraceField[] s_push = [s_device, Number32("queue"), Number32("id"), Number32("written")];
    private static readonly TraceField[] s_reset = [s_device, Number32("queue")];
    private static readonly TraceField[] s_block = [Text("disk"), Number64("offset"), Number64("bytes"), Number32("ok"), Number64("nanoseconds")];

    /// <summary>A guest's read of a register of a device: the name in the register map where the access begins, and what was read.</summary>
    public static TraceEvent RegisterRead(string device) => new(TraceEvent.NameOf(device) + ReadEnd, s_register);

    public static TraceEvent RegisterWrite(string device) => new(TraceEvent.NameOf(device) + WriteEnd, s_register);

    /// <summary>A device takes a chain from a virtqueue; <c>id</c> comes again when it gives it back.</summary>
    public static TraceEvent QueuePop(string device) => new(TraceEvent.NameOf(device) + PopEnd, s_pop);

    public static TraceEvent QueuePush(string device) => new(TraceEvent.NameOf(device) + PushEnd, s_push);

    /// <summary>A driver resets a queue or its device: what was taken is void.</summary>
    public static TraceEvent QueueReset(string device) => new(TraceEvent.NameOf(device) + ResetEnd, s_reset);

    /// <summary>What a disk did, told when it is done, with the time that it took.</summary>
    public static TraceEvent BlockRead { get; } = new("block_read", s_block);

    public static TraceEvent BlockWrite { get; } = new("block_write", s_block);

    public static TraceEvent BlockFlush { get; } = new("block_flush", s_block);

    public static TraceEvent BlockDiscard { get; } = new("block_discard", s_block);

    public static TraceEvent BlockWriteZeroes { get; } = new("block_write_zeroes", s_block);

    /// <summary>Something that QMP has an event for: <c>RESET</c>, <c>STOP</c>.</summary>
    public static TraceEvent Machine { get; } = new("machine_event", [Text("event")]);

    private static readonly TraceEvent[] s_byName = [BlockRead, BlockWrite, BlockFlush, BlockDiscard, BlockWriteZeroes, Machine];

    /// <summary>The event of a name; null when it is none of these.</summary>
    public static TraceEvent? Find(string name)
    {
        foreach (var known in s_byName)
        {
            if (known.Name == name)
                return known;
        }
        foreach (var (end, fields) in (ReadOnlySpan<(string, TraceField[])>)[(PopEnd, s_pop), (PushEnd, s_push), (ResetEnd, s_reset), (ReadEnd, s_register), (WriteEnd, s_register)])
        {
            if (name.EndsWith(end, StringComparison.Ordinal))
                return new TraceEvent(name, fields);
        }
        return null;
    }

    private static TraceField Text(string name) => new(name, TraceFieldType.Text);

    private static TraceField Number32(string name) => new(name, TraceFieldType.Number32);

    private static TraceField Number64(string name) => new(name, TraceFieldType.Number64);
}
