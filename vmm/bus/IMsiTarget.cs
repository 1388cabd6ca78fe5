namespace Gauntlet.Vmm.Bus;

/// <summary>Where message-signalled interrupts of PCI functions go: the local APICs, the machine's own or the accelerator's.</summary>
public interface IMsiTarget
{
    /// <summary>One message, as the function writes it to memory (PCI Local Bus Specification 3.0, 6.8). What nobody listens to is lost.</summary>
    /// <param name="address">From the function's table: on a PC 0xfee00000 and the destination.</param>
    /// <param name="data">Vector and delivery mode.</param>
    void SendMsi(ulong address, uint data);
}
