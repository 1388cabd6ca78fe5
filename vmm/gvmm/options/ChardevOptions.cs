using Gauntlet.Vmm.Chardevs;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>The kinds of <c>-chardev</c>.</summary>
public enum ChardevKind
{
    Null,
    Stdio,
    File,
    Pipe,
    Pty,
    RingBuf,
    Socket,
}

/// <summary>One <c>-chardev</c>, or what the short form of <c>-serial</c> and others stands for.</summary>
public sealed record ChardevOption(string Id, ChardevKind Kind)
{
    /// <summary>Of a file or a pipe.</summary>
    public string Path { get; init; } = "";

    /// <summary>For a file: what is there stays.</summary>
    public bool Append { get; init; }

    /// <summary>Of a socket.</summary>
    public SocketAddress? Address { get; init; }

    /// <summary>A socket that listens.</summary>
    public bool IsServer { get; init; }

    /// <summary>For one that listens: the machine starts when somebody has connected.</summary>
    public bool Waits { get; init; }

    /// <summary>Of a ringbuf: a power of two.</summary>
    public int Bytes { get; init; } = RingBufChardev.DefaultBytes;

    /// <summary>Several users share it, with Ctrl-A as the escape.</summary>
    public bool IsMux { get; init; }
}

/// <summary>Reads <c>-chardev</c>'s long form, and the short forms: <c>stdio</c>, <c>unix:PATH,server=on</c>, <c>tcp:HOST:PORT</c>.</summary>
internal static class ChardevParser
{
    private const string ShortForms = "null, stdio, pty, file:PATH, pipe:PATH, unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,server=on][,wait=off], chardev:ID";

    /// <summary>The argument of <c>-chardev</c>.</summary>
    /// <exception cref="OptionException">It cannot be carried out.</exception>
    public static ChardevOption ParseLong(string argument)
    {
        var list = new PropertyList("-chardev", argument, "backend");
        var backend = list.Take("backend");
        var id = list.Take("id");
        if (string.IsNullOrEmpty(id))
            throw new OptionException($"-chardev {argument}: give it an id=");
        var option = backend switch
        {
            "null" => new ChardevOption(id, ChardevKind.Null),
            "stdio" => TakeSignal(list, new ChardevOption(id, ChardevKind.Stdio)),
            "pty" => new ChardevOption(id, ChardevKind.Pty),
            "file" => new ChardevOption(id, ChardevKind.File) { Path = TakePath(list, argument), Append = list.TakeSwitch("append") ?? false },
            "pipe" => new ChardevOption(id, ChardevKind.Pipe) { Path = TakePath(list, argument) },
            "ringbuf" or "memory" => new ChardevOption(id, ChardevKind.RingBuf) { Bytes = TakeRingSize(list) },
            "socket" => TakeSocket(list, argument, new ChardevOption(id, ChardevKind.Socket)),
            _ => throw new OptionException($"-chardev {argument}: '{backend}' is not a valid char driver name; there are null, stdio, pty, file, pipe, ringbuf, socket"),
        };
        option = option with { IsMux = list.TakeSwitch("mux") ?? false };
        list.ExpectEmpty("id, mux, and those of its kind: path, append, size, host, port, server, wait");
        return option;
    }

    /// <summary>A short form; never <c>chardev:</c> or <c>mon:</c>, which refer to one.</summary>
    /// <param name="option">For messages: <c>-serial</c>.</param>
    /// <exception cref="OptionException">It cannot be carried out.</exception>
    public static ChardevOption ParseShort(string option, string argument, string id)
    {
        switch (argument)
        {
            case "null":
                return new ChardevOption(id, ChardevKind.Null);
            case "stdio":
                return new ChardevOption(id, ChardevKind.Stdio);
            case "pty":
                return new ChardevOption(id, ChardevKind.Pty);
            default:
                break;
        }
        var colon = argument.IndexOf(':', StringComparison.Ordinal);
        var rest = argument[(colon + 1)..];
        switch (colon < 0 ? "" : argument[..colon])
        {
            case "file" when rest.Length > 0:
                return new ChardevOption(id, ChardevKind.File) { Path = rest };
            case "pipe" when rest.Length > 0:
                return new ChardevOption(id, ChardevKind.Pipe) { Path = rest };
            case "unix":
                var unix = new PropertyList(option, rest, "path");
                var path = unix.Take("path");
                if (string.IsNullOrEmpty(path))
                    throw new OptionException($"{option} {argument}: no path given");
                return TakeListening(unix, new ChardevOption(id, ChardevKind.Socket) { Address = new SocketAddress(path) });
            case "tcp":
                var tcp = new PropertyList(option, rest, "address");
                var address = tcp.Take("address") ?? "";
                var last = address.LastIndexOf(':');
                if (last < 0)
                    throw new OptionException($"{option} {argument}: give it as tcp:HOST:PORT");
                return TakeListening(tcp, new ChardevOption(id, ChardevKind.Socket) { Address = Tcp(option, address[..last], address[(last + 1)..]) });
            default:
                throw new OptionException($"{option} {argument}: there are {ShortForms}");
        }
    }

    private static ChardevOption TakeListening(PropertyList list, ChardevOption option)
    {
        var server = list.TakeSwitch("server") ?? false;
        var wait = list.TakeSwitch("wait") ?? (list.TakeSwitch("nowait") is not true);
        _ = list.TakeSwitch("nodelay");
        list.ExpectEmpty("path, server, wait, nodelay");
        return option with { IsServer = server, Waits = server && wait };
    }

    private static ChardevOption TakeSocket(PropertyList list, string argument, ChardevOption option)
    {
        var (path, host, port) = (list.Take("path"), list.Take("host"), list.Take("port"));
        if ((path is null) == (port is null))
            throw new OptionException($"-chardev {argument}: give it path=, or host= and port=");
        var address = path is not null ? new SocketAddress(path) : Tcp("-chardev", host ?? "", port!);
        var server = list.TakeSwitch("server") ?? false;
        var wait = list.TakeSwitch("wait") ?? (list.TakeSwitch("nowait") is not true);
        _ = list.TakeSwitch("nodelay");
        return option with { Address = address, IsServer = server, Waits = server && wait };
    }

    private static SocketAddress Tcp(string option, string host, string port) =>
        new(null, host.Trim('[', ']'), (ushort)Numbers.Count($"{option}: port", port, 1, ushort.MaxValue));

    // Ctrl-C and others reach this program as signals either way.
    private static ChardevOption TakeSignal(PropertyList list, ChardevOption option)
    {
        _ = list.TakeSwitch("signal");
        return option;
    }

    private static string TakePath(PropertyList list, string argument) =>
        list.Take("path") is { Length: > 0 } path ? path : throw new OptionException($"-chardev {argument}: no path given");

    private static int TakeRingSize(PropertyList list)
    {
        if (list.Take("size") is not { } text)
            return RingBufChardev.DefaultBytes;
        var bytes = Numbers.Size("-chardev size", text, 1);
        return bytes is > 0 and <= RingBufChardev.MaxBytes && ulong.IsPow2(bytes)
            ? (int)bytes
            : throw new OptionException($"-chardev size={text}: a power of two, at most {RingBufChardev.MaxBytes >> 20}M");
    }
}
