using System.Security.Cryptography;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>The host's generator.</summary>
public sealed class HostEntropy : IEntropySource
{
    public static readonly HostEntropy Instance = new();

    private HostEntropy() { }

    public void Fill(Span<byte> destination) => RandomNumberGenerator.Fill(destination);
}
