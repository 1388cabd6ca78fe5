using Gauntlet.Linux;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Program.Options;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Program.Serial;

/// <summary>The chardevs of a command line, opened.</summary>
internal sealed class ChardevSet : IDisposable
{
    private readonly List<Chardev> _all = [];

    /// <param name="onQuit">For Ctrl-A x on one that is shared.</param>
    /// <exception cref="OptionException">A file that cannot be opened.</exception>
    /// <exception cref="LinuxException">A socket or terminal that cannot be had.</exception>
    public ChardevSet(IReadOnlyList<ChardevOption> options, Action onQuit)
    {
        foreach (var option in options)
        {
            Chardev chardev;
            try
            {
                chardev = Open(option);
            }
            catch (Exception why) when (why is IOException or UnauthorizedAccessException)
            {
                throw new OptionException($"chardev '{option.Id}': {option.Path}: {why.Message}");
            }
            _all.Add(option.IsMux ? new MuxChardev(chardev, onQuit) : chardev);
        }
    }

    public IReadOnlyList<Chardev> All => _all;

    /// <summary>By its id, which the options were checked to have.</summary>
    public Chardev this[string id]
    {
        get
        {
            foreach (var chardev in _all)
            {
                if (chardev.Id == id)
                    return chardev;
            }
            throw new OptionException($"there is no chardev '{id}'");
        }
    }

    /// <summary>All begin to receive; waits for connections where that was asked for.</summary>
    public void Start()
    {
        foreach (var chardev in _all)
            chardev.Start();
    }

    public void Dispose()
    {
        foreach (var chardev in _all)
            chardev.Dispose();
    }

    private static Chardev Open(ChardevOption option)
    {
        switch (option.Kind)
        {
            case ChardevKind.Stdio:
                return new DescriptorChardev(option.Id, "stdio", Descriptors.StandardInput, Descriptors.StandardOutput);
            case ChardevKind.File:
                var file = File.OpenHandle(option.Path, option.Append ? FileMode.Append : FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
                return new DescriptorChardev(option.Id, "file", -1, (int)file.DangerousGetHandle(), file);
            case ChardevKind.Pipe:
                return OpenPipe(option);
            case ChardevKind.Pty:
                var terminal = new PseudoTerminal();
                var fd = (int)terminal.Master.DangerousGetHandle();
                Descriptors.WriteAll(Descriptors.StandardError, System.Text.Encoding.UTF8.GetBytes($"char device redirected to {terminal.Path} (label {option.Id})\n"));
                return new DescriptorChardev(option.Id, $"pty:{terminal.Path}", fd, fd, terminal.Master, terminal.Slave);
            case ChardevKind.RingBuf:
                return new RingBufChardev(option.Id, option.Bytes);
            case ChardevKind.Socket:
                return new SocketChardev(option.Id, option.Address!, option.IsServer, option.Waits);
            default:
                return new NullChardev(option.Id);
        }
    }

    // As QEMU: PATH.in and PATH.out, or else PATH for both. Opened for both directions, so that neither open waits for somebody.
    private static DescriptorChardev OpenPipe(ChardevOption option)
    {
        var isPair = File.Exists(option.Path + ".in") && File.Exists(option.Path + ".out");
        var input = Open(isPair ? option.Path + ".in" : option.Path);
        var output = isPair ? Open(option.Path + ".out") : input;
        return new DescriptorChardev(option.Id, "pipe", (int)input.DangerousGetHandle(), (int)output.DangerousGetHandle(), input, output);

        static SafeFileHandle Open(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
    }
}
