namespace Gauntlet.Vmm.Devices.Serial;

/// <summary>What a serial port is connected to on the host's side. Called with the device lock held, so neither call may block for long.</summary>
public interface ISerialBackend
{
    /// <summary>A byte that the guest sent.</summary>
    void Write(byte value);

    /// <summary>Takes bytes that wait to be received, as many as fit; 0 when there are none.</summary>
    int Read(Span<byte> destination);
}

/// <summary>Connected to nothing: what is sent is lost.</summary>
public sealed class NullSerialBackend : ISerialBackend
{
    public static readonly NullSerialBackend Instance = new();

    private NullSerialBackend() { }

    public void Write(byte value) { }

    public int Read(Span<byte> destination) => 0;
}
