using Gauntlet.Linux;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Program.Options;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Program.Serial;

/// <summary>The host's side of the serial ports that a command line asks for.</summary>
internal sealed class SerialPorts : IDisposable
{
    private readonly IReadOnlyList<CharacterOption> _options;
    private readonly DescriptorBackend?[] _backends;
    private readonly List<SafeFileHandle> _handles = [];
    private readonly List<string> _socketPaths = [];

    /// <param name="onQuit">For Ctrl-A x on <c>mon:stdio</c>.</param>
    /// <exception cref="OptionException">A file or a socket that cannot be opened.</exception>
    public SerialPorts(IReadOnlyList<CharacterOption> options, Action onQuit)
    {
        _options = options;
        _backends = new DescriptorBackend?[options.Count];
        for (var i = 0; i < options.Count; i++)
        {
            try
            {
                _backends[i] = Open(options[i], onQuit);
            }
            catch (IOException why)
            {
                throw new OptionException($"-serial {options[i].Path}: {why.Message}");
            }
            catch (UnauthorizedAccessException why)
            {
                throw new OptionException($"-serial {options[i].Path}: {why.Message}");
            }
        }
    }

    /// <summary>What each port is connected to.</summary>
    public IReadOnlyList<ISerialBackend> Backends
    {
        get
        {
            var backends = new ISerialBackend[_backends.Length];
            for (var i = 0; i < backends.Length; i++)
                backends[i] = _backends[i] ?? (ISerialBackend)NullSerialBackend.Instance;
            return backends;
        }
    }

    /// <summary>Starts to bring what arrives to the board's ports; waits for connections where that was asked for.</summary>
    public void Start(PcBoard board)
    {
        for (var i = 0; i < _backends.Length; i++)
        {
            if (_backends[i] is not { } backend)
                continue;
            var uart = board.SerialPorts[i];
            Action onInput = () =>
            {
                lock (board.Machine.Bus.DeviceLock)
                    uart.PollInput();
            };
            switch (_options[i].Target)
            {
                case CharacterTarget.Stdio or CharacterTarget.MonitoredStdio:
                    backend.StartReading(Descriptors.StandardInput, onInput, "serial input");
                    break;
                case CharacterTarget.UnixConnect:
                    backend.StartReading((int)_handles[HandleIndexOf(i)].DangerousGetHandle(), onInput, "serial input");
                    break;
                case CharacterTarget.UnixListen:
                    Serve(_handles[HandleIndexOf(i)], backend, onInput, _options[i].Wait);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>Everything that the guest sent is out.</summary>
    public void Flush()
    {
        foreach (var backend in _backends)
            backend?.Dispose();
    }

    public void Dispose()
    {
        Flush();
        foreach (var handle in _handles)
            handle.Dispose();
        foreach (var path in _socketPaths)
            UnixSocket.Remove(path);
    }

    private DescriptorBackend? Open(CharacterOption option, Action onQuit)
    {
        switch (option.Target)
        {
            case CharacterTarget.Stdio:
                return new DescriptorBackend(Descriptors.StandardOutput);
            case CharacterTarget.MonitoredStdio:
                return new DescriptorBackend(Descriptors.StandardOutput, onQuit);
            case CharacterTarget.File:
                _handles.Add(File.OpenHandle(option.Path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite));
                return new DescriptorBackend((int)_handles[^1].DangerousGetHandle());
            case CharacterTarget.UnixConnect:
                _handles.Add(UnixSocket.Connect(option.Path));
                return new DescriptorBackend((int)_handles[^1].DangerousGetHandle());
            case CharacterTarget.UnixListen:
                _handles.Add(UnixSocket.Listen(option.Path));
                _socketPaths.Add(option.Path);
                return new DescriptorBackend(-1);
            default:
                return null;
        }
    }

    // Handles are in the order of the options that have one.
    private int HandleIndexOf(int option)
    {
        var index = 0;
        for (var i = 0; i < option; i++)
            index += _options[i].Target is CharacterTarget.File or CharacterTarget.UnixConnect or CharacterTarget.UnixListen ? 1 : 0;
        return index;
    }

    // One connection after the other; what the guest sends while there is none is lost, as on a cable that is not plugged in.
    private static void Serve(SafeFileHandle listener, DescriptorBackend backend, Action onInput, bool wait)
    {
        var first = wait ? UnixSocket.Accept(listener) : null;
        new Thread(() =>
        {
            for (var peer = first ?? UnixSocket.Accept(listener); peer is not null; peer = UnixSocket.Accept(listener))
            {
                using (peer)
                {
                    var fd = (int)peer.DangerousGetHandle();
                    backend.SetOutput(fd);
                    backend.ReadToEnd(fd, onInput);
                    backend.SetOutput(-1);
                }
            }
        })
        { IsBackground = true, Name = "serial socket" }.Start();
    }
}
