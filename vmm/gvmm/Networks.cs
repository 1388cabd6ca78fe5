using Gauntlet.Linux;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.Program.Options;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Program;

/// <summary>The networks of a command line, by id, each for one device.</summary>
public sealed class Networks : IDisposable
{
    private readonly List<NetworkBackend> _all = [];
    private int _devices;

    /// <exception cref="OptionException">An id is there twice, or a dump is of none.</exception>
    /// <exception cref="LinuxException">A socket, an interface or passt is not to be had.</exception>
    public Networks(GvmmOptions options)
    {
        foreach (var option in options.Netdevs)
        {
            if (Find(option.Id) is not null)
                throw new OptionException($"-netdev: id '{option.Id}' is there twice");
            if (option.Kind == NetdevKind.Hub && _all.Exists(other => other is LoneHubPort))
                throw new OptionException($"-netdev hubport,id={option.Id}: a hub has one port here; connect devices by sockets");
            _all.Add(Open(option));
        }
        foreach (var dump in options.FrameDumps)
        {
            var network = Find(dump.Netdev) ?? throw new OptionException($"-object filter-dump: there is no netdev '{dump.Netdev}'");
            try
            {
                network.Add(new FrameDump(dump.File, dump.KeptBytes));
            }
            catch (Exception why) when (why is IOException or UnauthorizedAccessException)
            {
                throw new OptionException($"-object filter-dump: {dump.File} cannot be written: {why.Message}");
            }
        }
    }

    /// <summary>The network that a device names.</summary>
    /// <exception cref="OptionException">There is none of that id, or another device has it.</exception>
    public NetworkBackend Take(string device, string id)
    {
        var network = Find(id) ?? throw new OptionException($"-device {device}: there is no netdev '{id}'; add -netdev …,id={id}");
        return network.IsTaken ? throw new OptionException($"-device {device}: netdev '{id}' is in use by another device") : network;
    }

    /// <summary>The address of the next device: as asked for, or QEMU's for it.</summary>
    /// <exception cref="OptionException">Not an address that a device can have.</exception>
    public MacAddress NextAddress(string device, string? wanted)
    {
        var address = MacAddress.Default(_devices++);
        if (wanted is not null && !MacAddress.TryParse(wanted, out address))
            throw new OptionException($"-device {device}: mac={wanted} is not the address of one device: six bytes in hexadecimal with colons, the first one even");
        return address;
    }

    /// <summary>Frames come and go; one that no device has is left alone.</summary>
    public void Start()
    {
        foreach (var network in _all)
        {
            if (network.IsTaken)
                network.Start();
        }
    }

    public void Dispose()
    {
        foreach (var network in _all)
            network.Dispose();
    }

    private NetworkBackend? Find(string id)
    {
        foreach (var network in _all)
        {
            if (network.Id == id)
                return network;
        }
        return null;
    }

    private static NetworkBackend Open(NetdevOption option)
    {
        switch (option.Kind)
        {
            case NetdevKind.Hub:
                return new LoneHubPort(option.Id);
            case NetdevKind.User:
                return UserNetwork.Start(option.Id, option.Forwards);
            case NetdevKind.Tap:
                var name = option.Interface;
                var tap = option.Descriptor >= 0 ? Adopt(option.Descriptor) : TapDevice.Open(ref name);
                return new DatagramNetwork(option.Id, $"tap: {name}", tap);
            case NetdevKind.Datagram when option.Descriptor < 0:
                var (local, remote) = (option.Address!, option.Remote!);
                var socket = local.Path is { } path ? DatagramSocket.OpenUnix(path, remote.Path!) : DatagramSocket.OpenUdp(local.Host, local.Port, remote.Host, remote.Port);
                return new DatagramNetwork(option.Id, $"dgram: {local} to {remote}", socket, remote.Path);
            default:
                return OpenStream(option);
        }
    }

    private static NetworkBackend OpenStream(NetdevOption option)
    {
        if (option.Descriptor >= 0)
        {
            var handle = Adopt(option.Descriptor);
            return DatagramSocket.IsDatagram(handle)
                ? new DatagramNetwork(option.Id, $"socket: fd={option.Descriptor}", handle)
                : new StreamNetwork(option.Id, $"socket: fd={option.Descriptor}", null, handle);
        }
        var address = option.Address!;
        if (option.Listens)
        {
            var listener = address.Path is { } path ? UnixSocket.Listen(path) : TcpSocket.Listen(address.Host, address.Port);
            return new StreamNetwork(option.Id, $"socket: listening on {address}", listener, null);
        }
        var connection = address.Path is { } at ? UnixSocket.Connect(at) : TcpSocket.Connect(address.Host, address.Port);
        return new StreamNetwork(option.Id, $"socket: connected to {address}", null, connection);
    }

    private static SafeFileHandle Adopt(int descriptor) => new(descriptor, ownsHandle: true);
}
