using Gauntlet.Linux;
using Gauntlet.Vmm.Devices.Serial;

namespace Gauntlet.Vmm.Program.Serial;

/// <summary>
/// A serial port on descriptors: what the guest sends goes through a <see cref="BufferedOutput"/>, what arrives is kept until the port has room for it.
/// </summary>
internal sealed class DescriptorBackend : ISerialBackend, IDisposable
{
    // What a person pastes; a sender that is faster waits.
    private const int InputBytes = 4096;
    private const int ThreadStackBytes = 128 * 1024;
    private const byte Escape = 0x01;

    private readonly object _gate = new();
    private readonly byte[] _input = new byte[InputBytes];
    private readonly Action? _onQuit;
    private BufferedOutput? _output;
    private int _head, _count;
    private bool _escaped;

    /// <param name="outputFd">Where to write; -1: nowhere yet.</param>
    /// <param name="onQuit">Called for Ctrl-A x, where Ctrl-A is an escape; null: all bytes are the guest's.</param>
    public DescriptorBackend(int outputFd, Action? onQuit = null)
    {
        _onQuit = onQuit;
        _output = outputFd < 0 ? null : new BufferedOutput(outputFd);
    }

    public void Write(byte value) => Volatile.Read(ref _output)?.Write(value);

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

    /// <summary>Starts to read; <paramref name="onInput"/> is called when bytes have come, on the reading thread.</summary>
    public void StartReading(int fd, Action onInput, string name) =>
        new Thread(() => ReadToEnd(fd, onInput), ThreadStackBytes) { IsBackground = true, Name = name }.Start();

    /// <summary>Reads from a descriptor until its end, and keeps what comes.</summary>
    public void ReadToEnd(int fd, Action onInput)
    {
        var bytes = new byte[256];
        for (int count; (count = Descriptors.Read(fd, bytes)) > 0;)
        {
            foreach (var value in bytes.AsSpan(0, count))
                Take(value);
            onInput();
        }
    }

    /// <summary>From now on what the guest sends goes there; -1: nowhere.</summary>
    public void SetOutput(int fd) => Interlocked.Exchange(ref _output, fd < 0 ? null : new BufferedOutput(fd))?.Dispose();

    public void Dispose() => _output?.Dispose();

    private void Take(byte value)
    {
        if (_onQuit is not null)
        {
            if (!_escaped && value == Escape)
            {
                _escaped = true;
                return;
            }
            if (_escaped)
            {
                _escaped = false;
                if (value is (byte)'x')
                    _onQuit();
                // Ctrl-A twice is one of the guest's.
                if (value != Escape)
                    return;
            }
        }
        lock (_gate)
        {
            while (_count == InputBytes)
                Monitor.Wait(_gate);
            _input[(_head + _count) % InputBytes] = value;
            _count++;
        }
    }
}
