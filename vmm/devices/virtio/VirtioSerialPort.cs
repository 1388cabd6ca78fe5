using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>What the device still has to tell the driver of a port, in this order (VIRTIO 1.2, 5.3.6.2).</summary>
[Flags]
internal enum PortNews : byte
{
    None = 0,
    Add = 1,
    Console = 2,
    Name = 4,
    Open = 8,
}

/// <summary>One port of a <see cref="VirtioSerial"/>.</summary>
/// <param name="id">Its number.</param>
/// <param name="name">What the guest finds it by; empty: none.</param>
/// <param name="isConsole">The guest may log in there.</param>
internal sealed class VirtioSerialPort(int id, string name, bool isConsole, IStreamLink link)
{
    private const byte AllNews = (byte)(PortNews.Add | PortNews.Console | PortNews.Name | PortNews.Open);

    public int Id => id;

    public string Name => name;

    public bool IsConsole => isConsole;

    public IStreamLink Link => link;

    public PortNews News { get; set; }

    /// <summary>The driver has been told of it, and has taken it.</summary>
    public bool IsReady { get; set; }

    /// <summary>Some program of the guest has it open.</summary>
    public bool IsGuestOpen { get; set; }

    /// <summary>What the driver was told last of the host's end.</summary>
    public bool IsHostOpen { get; set; }

    /// <summary>Bytes of the chain at hand that are sent already.</summary>
    public ulong Sent { get; set; }

    public void Reset() => (News, IsReady, IsGuestOpen, IsHostOpen, Sent) = (PortNews.None, false, false, false, 0);

    public void Save(StateWriter writer)
    {
        writer.Byte((byte)News);
        writer.Bool(IsReady);
        writer.Bool(IsGuestOpen);
        writer.Bool(IsHostOpen);
        writer.UInt64(Sent);
    }

    public void Load(ref StateReader reader)
    {
        News = (PortNews)(reader.Byte() & AllNews);
        IsReady = reader.Bool();
        IsGuestOpen = reader.Bool();
        IsHostOpen = reader.Bool();
        Sent = reader.UInt64();
    }
}
