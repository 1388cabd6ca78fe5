namespace Gauntlet.Vmm.Network;

/// <summary>What is at the host's end of a socket device: programs that guests reach by a port's number, and that reach guests. No call waits; all are made with the machine's device lock held.</summary>
public interface IVsockHost
{
    /// <summary>Once, before anything else: what to raise when somebody came, bytes came, or there is room again.</summary>
    void Connect(Action onChange);

    /// <summary>A guest wants to reach a port of the host's. Null: nobody is there.</summary>
    IVsockStream? TryOpen(uint port);

    /// <summary>The next program that wants to reach a port of the guest's; null: none now.</summary>
    IVsockStream? TakeIncoming(out uint port);
}

/// <summary>A stream to one program; ended when disposed. No call waits.</summary>
public interface IVsockStream : IDisposable
{
    /// <summary>The guest has accepted what <see cref="IVsockHost.TakeIncoming"/> told of.</summary>
    /// <param name="port">The host's end of it.</param>
    void NoteAccepted(uint port);

    /// <summary>How many bytes came; 0: the program sends no more; below 0: none now.</summary>
    int Receive(Span<byte> destination);

    /// <summary>How many bytes the program took, 0 when it has no room now; below 0: it is gone.</summary>
    int Send(ReadOnlySpan<byte> source);

    /// <summary>The guest sends no more.</summary>
    void EndSending();

    /// <summary>The program neither sends nor receives any more.</summary>
    bool IsHungUp { get; }
}
