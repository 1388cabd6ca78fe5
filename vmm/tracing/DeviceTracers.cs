using System.Runtime.CompilerServices;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tracing;

/// <summary>Tells when chains of one virtqueue are taken and given back.</summary>
public sealed class VirtqueueTracer : IVirtqueueWatcher
{
    private readonly string _label;
    private readonly int _queue;
    private readonly TracePoint? _pop, _push, _reset;

    private VirtqueueTracer(string label, int queue, TracePoint? pop, TracePoint? push, TracePoint? reset) =>
        (_label, _queue, _pop, _push, _reset) = (label, queue, pop, push, reset);

    /// <summary>Watches the queues of a device, if any of its events are wanted.</summary>
    /// <param name="name">The device's, for the events.</param>
    /// <param name="label">Which one of that name.</param>
    public static void Watch(Tracer tracer, string name, string label, VirtioDevice device)
    {
        var (pop, push, reset) = (tracer.Declare(TraceEvents.QueuePop(name)), tracer.Declare(TraceEvents.QueuePush(name)), tracer.Declare(TraceEvents.QueueReset(name)));
        if (pop is null && push is null && reset is null)
            return;
        for (var i = 0; i < device.Queues.Count; i++)
            device.Queues[i].Watcher = new VirtqueueTracer(label, i, pop, push, reset);
    }

    public void OnPopped(ushort id) => _pop?.Write(_label, _queue, (int)id);

    public void OnPushed(ushort id, uint written) => _push?.Write(_label, _queue, (int)id, written);

    public void OnReset() => _reset?.Write(_label, _queue);
}

/// <summary>A disk that tells of what it is asked for.</summary>
public sealed class TracedImage : IBlockImage
{
    private readonly IBlockImage _inner;
    private readonly string _disk;
    private readonly TracePoint? _read, _write, _flush, _discard, _writeZeroes;

    private TracedImage(IBlockImage inner, string disk, Tracer tracer)
    {
        (_inner, _disk) = (inner, disk);
        _read = tracer.Declare(TraceEvents.BlockRead);
        _write = tracer.Declare(TraceEvents.BlockWrite);
        _flush = tracer.Declare(TraceEvents.BlockFlush);
        _discard = tracer.Declare(TraceEvents.BlockDiscard);
        _writeZeroes = tracer.Declare(TraceEvents.BlockWriteZeroes);
    }

    public long Bytes => _inner.Bytes;

    public bool IsReadOnly => _inner.IsReadOnly;

    private bool IsWanted => (_read ?? _write ?? _flush ?? _discard ?? _writeZeroes) is not null;

    /// <summary>The image itself, or one in front of it when any of its events is wanted.</summary>
    /// <param name="disk">Its id, for the events.</param>
    public static IBlockImage Wrap(IBlockImage image, string disk, Tracer? tracer) =>
        tracer is not null && new TracedImage(image, disk, tracer) is { IsWanted: true } traced ? traced : image;

    public bool TryRead(long offset, Span<byte> destination)
    {
        var start = Tracer.NowNs;
        return Tell(_read, offset, destination.Length, _inner.TryRead(offset, destination), start);
    }

    // What has to wait is told when it is read.
    public bool TryReadNow(long offset, Span<byte> destination)
    {
        var start = Tracer.NowNs;
        return _inner.TryReadNow(offset, destination) && Tell(_read, offset, destination.Length, true, start);
    }

    public bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        var start = Tracer.NowNs;
        return Tell(_write, offset, source.Length, _inner.TryWrite(offset, source), start);
    }

    public bool TryFlush()
    {
        var start = Tracer.NowNs;
        return Tell(_flush, 0, 0, _inner.TryFlush(), start);
    }

    public bool TryDiscard(long offset, long length)
    {
        var start = Tracer.NowNs;
        return Tell(_discard, offset, length, _inner.TryDiscard(offset, length), start);
    }

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap)
    {
        var start = Tracer.NowNs;
        return Tell(_writeZeroes, offset, length, _inner.TryWriteZeroes(offset, length, mayUnmap), start);
    }

    public bool TryResize(long bytes) => _inner.TryResize(bytes);

    public void Dispose() => _inner.Dispose();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool Tell(TracePoint? point, long offset, long bytes, bool ok, long start)
    {
        point?.Write(_disk, (ulong)offset, (ulong)bytes, ok ? 1 : 0, (ulong)(Tracer.NowNs - start));
        return ok;
    }
}
