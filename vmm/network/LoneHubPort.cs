namespace Gauntlet.Vmm.Network;

/// <summary>The only port of a hub: the link is up, frames come from nowhere and are lost.</summary>
public sealed class LoneHubPort(string id) : NetworkBackend(id)
{
    public override string Description => "hubport";

    protected override void Receive() => SetUp(true);

    protected override void SendAll()
    {
        var frame = new byte[EthernetFrame.MaxBytes];
        while (TakeForHost(frame) > 0)
        {
        }
    }

    protected override void Close() { }
}
