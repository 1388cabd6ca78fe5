using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>A device whose notifications and messages are events of the accelerator's.</summary>
public sealed class VirtioEventTests
{
    private const ulong Data = 0x40000;
    private const uint NotifyOffset = 0x3000, Command = 4;

    private readonly FakeEvents _events = new();
    private readonly VirtioPciRig _rig;

    public VirtioEventTests() => _rig = NewRig(_events);

    [Fact]
    public void A_queue_has_its_doorbell_where_the_driver_notifies_while_the_device_runs()
    {
        Assert.Empty(_events.Doorbells);
        var driver = _rig.Start();
        Assert.Equal([_rig.Modern + NotifyOffset], _events.Doorbells.Keys);
        driver.Add([new(Data, 64, true)]);
        _events.Ring(_rig.Modern + NotifyOffset);
        Assert.NotNull(driver.Take());
        _rig.Write(0x14, 1, 0);
        Assert.Empty(_events.Doorbells);
    }

    [Fact]
    public void A_doorbell_moves_with_its_register_and_is_gone_while_that_does_not_answer()
    {
        var driver = _rig.Start();
        _rig.WriteConfig(0x10, 0xfd000000);
        Assert.Equal([0xfd000000UL + NotifyOffset], _events.Doorbells.Keys);
        driver.Add([new(Data, 64, true)]);
        _events.Ring(0xfd000000 + NotifyOffset);
        Assert.NotNull(driver.Take());
        foreach (var withoutMemoryOrMaster in (uint[])[4, 2])
        {
            _rig.WriteConfig(Command, withoutMemoryOrMaster);
            Assert.Empty(_events.Doorbells);
        }
        _rig.WriteConfig(Command, 6);
        Assert.Single(_events.Doorbells);
    }

    [Fact]
    public void A_notification_before_the_registers_moved_is_answered()
    {
        var driver = _rig.Start();
        driver.Add([new(Data, 64, true)]);
        _events.Doorbells[_rig.Modern + NotifyOffset].IsRung = true;
        _rig.WriteConfig(0x10, 0xfd000000);
        _rig.Clock.Advance(1);
        Assert.NotNull(driver.Take());
    }

    [Fact]
    public void A_notification_that_nobody_answered_yet_is_saved()
    {
        var driver = _rig.Start();
        driver.Add([new(Data, 64, true)]);
        _events.Doorbells[_rig.Modern + NotifyOffset].IsRung = true;
        var state = _rig.Transport.SaveToBytes();

        var other = NewRig(new FakeEvents());
        _rig.Memory.Bytes.CopyTo(other.Memory.Bytes, 0);
        other.Transport.LoadFrom(state);
        other.Clock.Advance(1);
        Assert.Equal(1, other.Memory.Bytes[(int)RingDriver.Device + 2]);
        // And here it is answered too.
        _rig.Clock.Advance(1);
        Assert.NotNull(driver.Take());
    }

    [Fact]
    public void A_notification_after_a_checkpoint_never_was_when_that_comes_back()
    {
        _rig.Start();
        var state = _rig.Transport.SaveToBytes();
        var doorbell = _events.Doorbells[_rig.Modern + NotifyOffset];
        doorbell.IsRung = true;
        _rig.Transport.LoadFrom(state);
        Assert.False(doorbell.IsRung);
    }

    [Fact]
    public void A_host_without_room_for_a_doorbell_has_the_notification_as_an_access()
    {
        _events.IsFull = true;
        var driver = _rig.Start(msix: true);
        driver.Add([new(Data, 64, true)]);
        _rig.Notify();
        Assert.NotNull(driver.Take());
        Assert.Single(_rig.Msi.Messages);
    }

    [Fact]
    public void Messages_to_local_APICs_are_events_and_others_are_not()
    {
        var driver = _rig.Start(msix: true);
        driver.Add([new(Data, 64, true)]);
        _rig.Notify();
        Assert.Equal([(0xfee00000UL, 0x41u)], _events.Sent);
        Assert.Empty(_rig.Msi.Messages);

        _rig.WriteMsix(1, 0, 0x1000);
        driver.Add([new(Data, 64, true)]);
        _rig.Notify();
        Assert.Single(_events.Sent);
        Assert.Single(_rig.Msi.Messages);
    }

    [Fact]
    public void A_pulled_device_leaves_neither_doorbells_nor_routes()
    {
        var driver = _rig.Start(msix: true);
        driver.Add([new(Data, 64, true)]);
        _rig.Notify();
        Assert.Equal(1, _events.Routes);
        _rig.Transport.Dispose();
        Assert.Empty(_events.Doorbells);
        Assert.Equal(0, _events.Routes);
    }

    private static VirtioPciRig NewRig(IEventDelivery events) =>
        new((memory, clock) => new VirtioRng(memory, clock, HostEntropy.Instance), events);

    private sealed class FakeEvents : IEventDelivery
    {
        public Dictionary<ulong, Doorbell> Doorbells { get; } = [];

        public List<(ulong Address, uint Data)> Sent { get; } = [];

        public int Routes { get; private set; }

        public bool IsFull { get; set; }

        public void Ring(ulong address)
        {
            Doorbells[address].IsRung = true;
            Doorbells[address].OnRung();
        }

        public IDoorbell? TryAddDoorbell(ulong address, Action onRung)
        {
            if (IsFull)
                return null;
            Doorbells.Add(address, new Doorbell(() => Doorbells.Remove(address), onRung));
            return Doorbells[address];
        }

        public IMessageRoute? TryAddRoute()
        {
            if (IsFull)
                return null;
            Routes++;
            return new Route(this);
        }

        internal sealed class Doorbell(Action remove, Action onRung) : IDoorbell
        {
            public bool IsRung { get; set; }

            public Action OnRung => onRung;

            public bool TryTake()
            {
                var was = IsRung;
                IsRung = false;
                return was;
            }

            public void Dispose() => remove();
        }

        private sealed class Route(FakeEvents events) : IMessageRoute
        {
            private (ulong, uint) _message;

            public bool TrySet(ulong address, uint data)
            {
                _message = (address, data);
                return true;
            }

            public void Signal() => events.Sent.Add(_message);

            public void Dispose() => events.Routes--;
        }
    }
}
