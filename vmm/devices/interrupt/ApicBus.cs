using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>How an interrupt message is delivered (SDM Vol. 3A, 11.6.1; 82093AA, 3.2.4): the encoding of the delivery mode field.</summary>
public enum DeliveryMode : byte
{
    Fixed = 0,
    LowestPriority = 1,
    Smi = 2,
    Nmi = 4,
    Init = 5,
    StartUp = 6,
    ExtInt = 7,
}

/// <summary>A message on the system bus to local APICs.</summary>
/// <param name="Destination">An APIC ID, or a set of logical ones; 8 bits wide from an IOAPIC, an MSI or an xAPIC, else 32.</param>
/// <param name="Logical">How the destination is meant.</param>
/// <param name="Mode">What to do with the vector.</param>
/// <param name="Vector">0 to 255.</param>
/// <param name="LevelTriggered">The end of interrupt is to be told to the IOAPICs.</param>
/// <param name="Wide">The destination has 32 bits (an x2APIC sent it).</param>
public readonly record struct ApicMessage(uint Destination, bool Logical, DeliveryMode Mode, byte Vector, bool LevelTriggered, bool Wide = false)
{
    /// <summary>True when the destination names everyone.</summary>
    public bool IsBroadcast => Wide ? Destination == uint.MaxValue : Destination == 0xff;

    /// <summary>An MSI as a device writes it to 0xfee00000 (SDM Vol. 3A, 11.11).</summary>
    public static ApicMessage FromMsi(ulong address, uint data) => new(
        (uint)(address >> 12) & 0xff, (address & 4) != 0, (DeliveryMode)(data >> 8 & 7), (byte)data, (data & 0x8000) != 0);

    /// <summary>The reverse of <see cref="FromMsi"/>, for a destination of 8 bits.</summary>
    public (ulong Address, uint Data) ToMsi() => (
        0xfee00000 | (ulong)(byte)Destination << 12 | (Logical ? 4u : 0), Vector | (uint)Mode << 8 | (LevelTriggered ? 0xc000u : 0));
}

/// <summary>Where an IOAPIC's messages go, and ends of interrupts come from.</summary>
public interface IApicMessages
{
    /// <summary>The IOAPIC gives itself here once: ends of level-triggered interrupts are told to it.</summary>
    void Attach(IoApic ioApic);

    /// <summary>Delivers a message; false when no APIC accepted it.</summary>
    bool Deliver(in ApicMessage message);

    /// <summary>Told what an input sends from now on, whether masked or not; sends nothing.</summary>
    void NoteInput(int input, in ApicMessage message);
}

/// <summary>Where local APICs and IOAPICs meet: routes messages to their destinations and ends of level-triggered interrupts back.</summary>
public sealed class ApicBus : IApicMessages, IMsiTarget
{
    // SDM Vol. 3A, 11.11.1: address bits 20 to 31.
    private const ulong MsiPage = 0xfee;

    private readonly List<LocalApic> _apics = [];
    private readonly List<IoApic> _ioApics = [];

    /// <summary>By index of their vCPUs.</summary>
    public IReadOnlyList<LocalApic> Apics => _apics;

    public void Attach(LocalApic apic) => _apics.Add(apic);

    public void Attach(IoApic ioApic) => _ioApics.Add(ioApic);

    public bool Deliver(in ApicMessage message) => Deliver(in message, except: null);

    public void NoteInput(int input, in ApicMessage message) { }

    /// <summary>As <see cref="Deliver(in ApicMessage)"/>, to all but one.</summary>
    public bool Deliver(in ApicMessage message, LocalApic? except)
    {
        if (message.Mode == DeliveryMode.LowestPriority)
            return DeliverLowest(in message);
        var accepted = false;
        foreach (var apic in _apics)
        {
            if (ReferenceEquals(apic, except) || !apic.Matches(in message))
                continue;
            apic.Accept(message.Mode, message.Vector, message.LevelTriggered);
            accepted = true;
        }
        return accepted;
    }

    /// <summary>A message from a PCI function; one that is not for the APICs' page, or of a mode that there is not, is lost.</summary>
    public void SendMsi(ulong address, uint data)
    {
        if (address >> 20 != MsiPage)
            return;
        Deliver(ApicMessage.FromMsi(address, data));
    }

    /// <summary>A local APIC ended a level-triggered interrupt.</summary>
    public void BroadcastEoi(byte vector)
    {
        foreach (var ioApic in _ioApics)
            ioApic.EndOfInterrupt(vector);
    }

    // 11.6.2.4: the processor with the lowest priority; the lowest index among equals.
    private bool DeliverLowest(in ApicMessage message)
    {
        LocalApic? lowest = null;
        foreach (var apic in _apics)
        {
            if (apic.IsSoftwareEnabled && apic.Matches(in message) && (lowest is null || apic.ProcessorPriority < lowest.ProcessorPriority))
                lowest = apic;
        }
        lowest?.Accept(DeliveryMode.Fixed, message.Vector, message.LevelTriggered);
        return lowest is not null;
    }
}
