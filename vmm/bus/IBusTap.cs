namespace Gauntlet.Vmm.Bus;

/// <summary>
/// Somebody who listens in on devices: puts an object of its own in front of those that it is about. The bus asks once for each region that is mapped, so
/// that the others cost nothing more than without it.
/// </summary>
public interface IBusTap
{
    /// <summary>Who answers for a device: the device itself, or one in front of it.</summary>
    IPortDevice Tap(IPortDevice device);

    /// <summary>As <see cref="Tap(IPortDevice)"/>.</summary>
    IMmioDevice Tap(IMmioDevice device);
}
