using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Devices.Serial;

namespace Gauntlet.Vmm.Program.Serial;

/// <summary>
/// A serial port on a chardev: what the guest sends goes through a <see cref="BufferedOutput"/>, what arrives is kept until the port has room for it.
/// </summary>
internal sealed class SerialBackend : ISerialBackend, IChardevUser, IDisposable
{
    // What a person pastes; a sender that is faster waits.
    private const int InputBytes = 4096;

    private readonly object _gate = new();
    private readonly byte[] _input = new byte[InputBytes];
    private readonly BufferedOutput _output;
    private int _head, _count;

    public SerialBackend(Chardev chardev)
    {
        _output = new BufferedOutput(chardev);
        chardev.Attach(this);
    }

    /// <summary>Called when bytes have come, on the chardev's thread. Set before the chardev starts.</summary>
    public Action? OnInput { get; set; }

    public void Write(byte value) => _output.Write(value);

    public int Read(Span<byte> destination)
    {
        lock (_gate)
        {
            var count = Math.Min(destination.Length, _count);
            for (var i = 0; i < count; i++)
                destination[i] = _input[(_head + i) % InputBytes];
            _head = (_head + count) % InputBytes;
            _count -= count;
            if (count > 0)
                Monitor.PulseAll(_gate);
            return count;
        }
    }

    public void OnConnected() { }

    public void OnReceived(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            // The port must hear of what is there before this waits for it to be taken; never with the lock held, which the port's read takes.
            if (Volatile.Read(ref _count) == InputBytes)
                OnInput?.Invoke();
            lock (_gate)
            {
                while (_count == InputBytes)
                    Monitor.Wait(_gate);
                _input[(_head + _count) % InputBytes] = value;
                _count++;
            }
        }
        OnInput?.Invoke();
    }

    public void OnDisconnected() { }

    public void Flush() => _output.Flush();

    public void Dispose() => _output.Dispose();
}
