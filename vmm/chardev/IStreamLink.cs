namespace Gauntlet.Vmm.Chardevs;

/// <summary>A device's end of a byte stream to the host. No call waits; all are made by one device with the machine's device lock held.</summary>
public interface IStreamLink
{
    /// <summary>Somebody is at the other end.</summary>
    bool IsOpen { get; }

    /// <summary>Sends what there is room for; how many bytes that were. After less than all the link raises what <see cref="Connect"/> gave it once there is room.</summary>
    int Send(ReadOnlySpan<byte> bytes);

    /// <summary>Takes bytes that came, as many as fit; 0 when there are none.</summary>
    int Receive(Span<byte> destination);

    /// <summary>Whether <see cref="Receive"/> has something.</summary>
    bool HasInput { get; }

    /// <summary>Once, before anything is sent: what to raise when bytes came, there is room again, or the other end came or went.</summary>
    void Connect(Action onChange);
}

/// <summary>Leads nowhere: nobody is there, and what is sent is lost.</summary>
public sealed class NullStreamLink : IStreamLink
{
    public static readonly NullStreamLink Instance = new();

    private NullStreamLink() { }

    public bool IsOpen => false;

    public bool HasInput => false;

    public int Send(ReadOnlySpan<byte> bytes) => bytes.Length;

    public int Receive(Span<byte> destination) => 0;

    public void Connect(Action onChange) { }
}
