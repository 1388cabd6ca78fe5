using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>Which kind of <c>-netdev</c>.</summary>
public enum NetdevKind
{
    /// <summary>A stream socket, or a descriptor of either kind.</summary>
    Socket,
    Datagram,
    Tap,
    User,

    /// <summary>A hub with one port: it leads nowhere.</summary>
    Hub,
}

/// <summary>One <c>-netdev</c>: the host's end of a network device's cable.</summary>
/// <param name="Id">What <c>netdev=</c> refers to.</param>
public sealed record NetdevOption(string Id, NetdevKind Kind)
{
    /// <summary>A descriptor that is open already; -1: none.</summary>
    public int Descriptor { get; init; } = -1;

    /// <summary>Of a stream: where to listen or to connect; of datagrams, where they come in.</summary>
    public SocketAddress? Address { get; init; }

    public bool Listens { get; init; }

    /// <summary>Where datagrams go.</summary>
    public SocketAddress? Remote { get; init; }

    /// <summary>Of a TAP; null: as the kernel names it.</summary>
    public string? Interface { get; init; }

    /// <summary>Of a user network: ports of the host that lead to the guest, as passt's options.</summary>
    public IReadOnlyList<string> Forwards { get; init; } = [];

    /// <exception cref="OptionException">Something that is not known, or does not fit.</exception>
    public static NetdevOption Parse(string argument)
    {
        var list = new PropertyList("-netdev", argument, "type");
        var type = list.Take("type") ?? throw new OptionException($"-netdev {argument}: no type given; there are socket, stream, dgram, tap, user and hubport");
        var id = list.Take("id");
        if (string.IsNullOrEmpty(id))
            throw new OptionException($"-netdev {argument}: no id= given, by which a device finds it");
        return type switch
        {
            "socket" => ParseSocket(list, id),
            "stream" => ParseStream(list, id),
            "dgram" => ParseDatagram(list, id),
            "tap" => ParseTap(list, id),
            "user" => ParseUser(list, id),
            "hubport" => ParseHub(list, id),
            _ => throw new OptionException($"-netdev {type}: there are socket, stream, dgram, tap, user and hubport"),
        };
    }

    private static NetdevOption ParseSocket(PropertyList list, string id)
    {
        var (fd, listen, connect, udp, local) = (list.Take("fd"), list.Take("listen"), list.Take("connect"), list.Take("udp"), list.Take("localaddr"));
        list.ExpectEmpty("id, fd, listen, connect, udp, localaddr");
        var given = (fd is null ? 0 : 1) + (listen is null ? 0 : 1) + (connect is null ? 0 : 1) + (udp is null ? 0 : 1);
        if (given != 1 || (udp is null) != (local is null))
            throw new OptionException("-netdev socket: give one of fd=, listen=, connect=, or udp= and localaddr=");
        if (fd is not null)
            return new NetdevOption(id, NetdevKind.Socket) { Descriptor = DescriptorOf(fd) };
        if (udp is not null)
            return new NetdevOption(id, NetdevKind.Datagram) { Address = HostAndPort("localaddr", local!), Remote = HostAndPort("udp", udp) };
        return new NetdevOption(id, NetdevKind.Socket) { Address = HostAndPort(listen is null ? "connect" : "listen", (listen ?? connect)!), Listens = listen is not null };
    }

    private static NetdevOption ParseStream(PropertyList list, string id)
    {
        var listens = list.TakeSwitch("server") ?? false;
        var (address, fd) = TakeAddress(list, "addr");
        list.ExpectEmpty("id, server, addr.type, addr.path, addr.host, addr.port, addr.str");
        return new NetdevOption(id, NetdevKind.Socket) { Address = address, Descriptor = fd, Listens = listens };
    }

    private static NetdevOption ParseDatagram(PropertyList list, string id)
    {
        var (local, fd) = TakeAddress(list, "local");
        SocketAddress? remote = null;
        if (fd < 0)
            (remote, _) = TakeAddress(list, "remote");
        list.ExpectEmpty("id, local.type, local.path, local.host, local.port, local.str and the same of remote");
        if (fd < 0 && (remote is null || (local!.Path is null) != (remote.Path is null)))
            throw new OptionException("-netdev dgram: local and remote are both unix or both inet");
        return new NetdevOption(id, NetdevKind.Datagram) { Address = local, Remote = remote, Descriptor = fd };
    }

    private static NetdevOption ParseTap(PropertyList list, string id)
    {
        var (name, fd) = (list.Take("ifname"), list.Take("fd"));
        foreach (var script in (string[])["script", "downscript"])
        {
            if (list.Take(script) is { } path and not "no")
                throw new OptionException($"-netdev tap,{script}={path}: interfaces are set up from outside here; give {script}=no");
        }
        if (list.TakeSwitch("vhost") is true)
            throw new OptionException("-netdev tap,vhost=on: there is none here");
        list.ExpectEmpty("id, ifname, fd, script, downscript, vhost");
        return new NetdevOption(id, NetdevKind.Tap) { Interface = name, Descriptor = fd is null ? -1 : DescriptorOf(fd) };
    }

    private static NetdevOption ParseUser(PropertyList list, string id)
    {
        var forwards = new List<string>();
        foreach (var (key, value) in list.Properties)
        {
            if (key == "hostfwd")
                forwards.AddRange(ForwardOf(value));
        }
        _ = list.Take("hostfwd");
        list.ExpectEmpty("id, hostfwd");
        return new NetdevOption(id, NetdevKind.User) { Forwards = forwards };
    }

    private static NetdevOption ParseHub(PropertyList list, string id)
    {
        _ = list.Take("hubid") ?? throw new OptionException("-netdev hubport: no hubid= given");
        list.ExpectEmpty("id, hubid");
        return new NetdevOption(id, NetdevKind.Hub);
    }

    // QEMU's tcp|udp:[hostaddr]:hostport-[guestaddr]:guestport, as passt's [address/]hostport:guestport.
    private static string[] ForwardOf(string text)
    {
        var halves = text.Split('-');
        var host = halves[0].Split(':');
        var guest = halves.Length == 2 ? halves[1].Split(':') : [];
        if (halves.Length != 2 || host.Length != 3 || guest.Length != 2 || host[0] is not ("tcp" or "udp" or ""))
            throw new OptionException($"-netdev user,hostfwd={text}: give it as tcp:[host]:port-[guest]:port");
        var (from, to) = (Numbers.Count("hostfwd", host[2], 1, ushort.MaxValue), Numbers.Count("hostfwd", guest[1], 1, ushort.MaxValue));
        return [host[0] == "udp" ? "-u" : "-t", $"{(host[1].Length == 0 ? "" : host[1] + "/")}{from}:{to}"];
    }

    private static (SocketAddress? Address, int Descriptor) TakeAddress(PropertyList list, string name)
    {
        var (type, path, host, port, text) = (list.Take($"{name}.type"), list.Take($"{name}.path"), list.Take($"{name}.host"), list.Take($"{name}.port"), list.Take($"{name}.str"));
        return type switch
        {
            "unix" when path is not null => (new SocketAddress(path), -1),
            "inet" when port is not null => (new SocketAddress(null, host ?? "", (ushort)Numbers.Count($"{name}.port", port, 0, ushort.MaxValue)), -1),
            "fd" when text is not null => (null, DescriptorOf(text)),
            _ => throw new OptionException($"-netdev: {name}.type is unix with {name}.path, inet with {name}.host and {name}.port, or fd with {name}.str"),
        };
    }

    private static SocketAddress HostAndPort(string name, string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0)
            throw new OptionException($"-netdev socket,{name}={text}: give it as host:port");
        return new SocketAddress(null, text[..colon], (ushort)Numbers.Count($"-netdev socket,{name}", text[(colon + 1)..], 0, ushort.MaxValue));
    }

    private static int DescriptorOf(string text) => Numbers.Count("-netdev fd", text, 0, int.MaxValue);
}

/// <summary>One <c>-object filter-dump</c>: a file of the frames of a <c>-netdev</c>.</summary>
/// <param name="Netdev">Whose.</param>
/// <param name="File">Written anew.</param>
/// <param name="KeptBytes">Of each frame, at most.</param>
public sealed record FrameDumpOption(string Netdev, string File, int KeptBytes)
{
    /// <param name="list">What follows the type.</param>
    /// <exception cref="OptionException">Something is missing.</exception>
    public static FrameDumpOption Parse(PropertyList list)
    {
        var (netdev, file, kept) = (list.Take("netdev"), list.Take("file"), list.Take("maxlen"));
        _ = list.Take("id");
        list.ExpectEmpty("id, netdev, file, maxlen");
        if (string.IsNullOrEmpty(netdev) || string.IsNullOrEmpty(file))
            throw new OptionException("-object filter-dump: give netdev= and file=");
        return new FrameDumpOption(netdev, file, kept is null ? FrameDump.DefaultKeptBytes : Numbers.Count("-object filter-dump: maxlen", kept, 1, FrameDump.DefaultKeptBytes));
    }
}
