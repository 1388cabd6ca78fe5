using Gauntlet.Linux;
using Gauntlet.Vmm.Chardevs;

namespace Gauntlet.Vmm.Program.Serial;

/// <summary>
/// Bytes on their way to a chardev: written at a line's end, when the buffer is full, and some milliseconds after the last byte of a line that does not
/// end, so that a byte does not cost a system call and a prompt is seen all the same.
/// </summary>
internal sealed class BufferedOutput : IDisposable
{
    private const int BufferBytes = 4096;
    private const long IdleFlushNs = 5_000_000;
    private const int ThreadStackBytes = 128 * 1024;

    private readonly Chardev _chardev;
    private readonly object _gate = new();
    private readonly byte[] _buffer = new byte[BufferBytes];
    private EventFd? _wake;
    private int _count;
    private bool _flushComing, _ended;

    public BufferedOutput(Chardev chardev) => _chardev = chardev;

    public void Write(byte value)
    {
        lock (_gate)
        {
            if (_ended)
                return;
            _buffer[_count++] = value;
            if (value == '\n' || _count == BufferBytes)
                FlushLocked();
            else if (!_flushComing)
                ScheduleFlush();
        }
    }

    public void Flush()
    {
        lock (_gate)
            FlushLocked();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            FlushLocked();
            _ended = true;
            _wake?.Signal();
        }
    }

    private void FlushLocked()
    {
        if (_count > 0)
            _chardev.Write(_buffer.AsSpan(0, _count));
        _count = 0;
    }

    // One thread, started at the first byte that waits, asleep while nothing does; however many bytes come, it runs once in IdleFlushNs.
    private void ScheduleFlush()
    {
        _flushComing = true;
        if (_wake is null)
        {
            _wake = new EventFd();
            new Thread(FlushWhenIdle, ThreadStackBytes) { IsBackground = true, Name = "serial output" }.Start();
        }
        _wake.Signal();
    }

    private void FlushWhenIdle()
    {
        while (true)
        {
            _wake!.Wait(null);
            _wake.Wait(IdleFlushNs);
            lock (_gate)
            {
                FlushLocked();
                _flushComing = false;
                if (_ended)
                    return;
            }
        }
    }
}
