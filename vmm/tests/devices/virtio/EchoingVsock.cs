using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>A host on whose every port there is somebody who sends back what comes.</summary>
internal sealed class EchoingVsock : IVsockHost
{
    public void Connect(Action onChange) { }

    public IVsockStream? TryOpen(uint port) => new FakeVsockStream { Echoes = true };

    public IVsockStream? TakeIncoming(out uint port)
    {
        port = 0;
        return null;
    }
}

/// <summary>A stream to a program that a test plays.</summary>
internal sealed class FakeVsockStream : IVsockStream
{
    /// <summary>What the guest is to receive.</summary>
    public Queue<byte> Input { get; } = new();

    /// <summary>What the guest sent.</summary>
    public List<byte> Output { get; } = [];

    public bool Echoes { get; init; }

    /// <summary>Bytes that it takes before it has no room.</summary>
    public int Room { get; set; } = int.MaxValue;

    public bool IsAtEnd { get; set; }

    public bool IsGone { get; set; }

    public bool IsHungUp { get; set; }

    public bool IsDisposed { get; private set; }

    public bool IsGuestsEnd { get; private set; }

    public uint? AcceptedAt { get; private set; }

    public void NoteAccepted(uint port) => AcceptedAt = port;

    public int Receive(Span<byte> destination)
    {
        Assert.False(IsDisposed);
        var count = 0;
        while (count < destination.Length && Input.TryDequeue(out var value))
            destination[count++] = value;
        return count > 0 ? count : IsAtEnd ? 0 : -1;
    }

    public int Send(ReadOnlySpan<byte> source)
    {
        Assert.False(IsDisposed);
        if (IsGone)
            return -1;
        var count = Math.Min(Room, source.Length);
        Room -= count;
        foreach (var value in source[..count])
        {
            if (Echoes)
                Input.Enqueue(value);
            else
                Output.Add(value);
        }
        return count;
    }

    public void EndSending() => IsGuestsEnd = true;

    public void Dispose() => IsDisposed = true;
}
