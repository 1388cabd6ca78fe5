using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Chardevs;

/// <summary>A chardev on descriptors that are open: standard input and output, a file, a pair of pipes, a pseudo-terminal.</summary>
public sealed class DescriptorChardev : Chardev
{
    private const int ReadBytes = 4096;
    private const int ThreadStackBytes = 256 * 1024;

    private readonly int _input, _output;
    private readonly IReadOnlyList<SafeFileHandle> _owned;
    private readonly Lock _outputLock = new();
    private bool _broken;

    /// <param name="input">Where to read; -1: nothing ever arrives.</param>
    /// <param name="output">Where to write; -1: nowhere.</param>
    /// <param name="owned">Closed with it.</param>
    public DescriptorChardev(string id, string fileName, int input, int output, params IReadOnlyList<SafeFileHandle> owned)
        : base(id, fileName)
    {
        (_input, _output) = (input, output);
        _owned = owned;
    }

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_outputLock)
        {
            if (!_broken && _output >= 0)
                _broken = !Descriptors.WriteAll(_output, bytes);
        }
    }

    public override void Start()
    {
        User?.OnConnected();
        if (_input >= 0)
            new Thread(ReadToEnd, ThreadStackBytes) { IsBackground = true, Name = $"chardev {Id}" }.Start();
    }

    public override void Dispose()
    {
        foreach (var handle in _owned)
            handle.Dispose();
    }

    private void ReadToEnd()
    {
        var bytes = new byte[ReadBytes];
        for (int count; (count = Descriptors.Read(_input, bytes)) > 0;)
            User?.OnReceived(bytes.AsSpan(0, count));
        User?.OnDisconnected();
    }
}
