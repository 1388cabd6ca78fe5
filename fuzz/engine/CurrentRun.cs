using System.IO.MemoryMappedFiles;

namespace Gauntlet.Fuzz.Engine;

/// <summary>
/// The input that is being run, in a mapped file: when the process dies of it, or is ended because it hangs, whoever started the process finds it there.
/// </summary>
public sealed unsafe class CurrentRun : IDisposable
{
    private const int HeaderBytes = 4;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _bytes;
    private long _generation;
    private volatile bool _running;

    public CurrentRun(string path)
    {
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, null, HeaderBytes + Mutator.MaxInputBytes * 2);
        _view = _file.CreateViewAccessor();
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _bytes);
    }

    /// <summary>Changes with every run: for a watchdog.</summary>
    public long Generation => Volatile.Read(ref _generation);

    public bool IsRunning => _running;

    public void Begin(ReadOnlySpan<byte> input)
    {
        var kept = input[..Math.Min(input.Length, Mutator.MaxInputBytes * 2)];
        kept.CopyTo(new Span<byte>(_bytes + HeaderBytes, kept.Length));
        Volatile.Write(ref *(int*)_bytes, kept.Length + 1);
        Volatile.Write(ref _generation, _generation + 1);
        _running = true;
    }

    public void End()
    {
        _running = false;
        Volatile.Write(ref *(int*)_bytes, 0);
    }

    /// <summary>What a process left that ended within a run; null when it ended between runs.</summary>
    public static byte[]? Left(string path)
    {
        if (!File.Exists(path))
            return null;
        var bytes = File.ReadAllBytes(path);
        var length = bytes.Length < HeaderBytes ? 0 : BitConverter.ToInt32(bytes) - 1;
        return length < 0 || length > bytes.Length - HeaderBytes ? null : bytes[HeaderBytes..(HeaderBytes + length)];
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }
}
