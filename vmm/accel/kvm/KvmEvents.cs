using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>
/// Writes of the guest that KVM turns into events (KVM_IOEVENTFD), for which one thread waits, and events that it turns into messages (KVM_IRQFD)
/// (Documentation/virt/kvm/api.rst).
/// </summary>
/// <param name="routing">For messages; null without interrupt controllers in KVM: then there are none.</param>
/// <param name="length">That KVM compares writes by: 0 where it can do without, as a fast way of its own then needs no decoding.</param>
internal sealed unsafe class KvmEvents(SafeFileHandle vm, KvmGsiRouting? routing, uint length) : IEventDelivery, IDisposable
{
    private const int ThreadStackBytes = 256 * 1024, MaxAtOnce = 16;
    private const ulong EndKey = 0;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, Doorbell> _doorbells = [];
    private EventPoll? _poll;
    private EventFd? _end;
    private Thread? _thread;
    private ulong _lastKey = EndKey;

    public IDoorbell? TryAddDoorbell(ulong address, Action onRung)
    {
        Doorbell? doorbell = null;
        try
        {
            doorbell = new Doorbell(this, address, onRung);
            if (!doorbell.TryAssign())
            {
                doorbell.Event.Dispose();
                return null;
            }
            lock (_gate)
            {
                StartThread();
                doorbell.Key = ++_lastKey;
                _doorbells.Add(doorbell.Key, doorbell);
                _poll!.Add(doorbell.Event, doorbell.Key);
            }
            return doorbell;
        }
        catch (LinuxException)
        {
            // No more descriptors: the guest's writes leave it, as without.
            doorbell?.Dispose();
            return null;
        }
    }

    public IMessageRoute? TryAddRoute()
    {
        if (routing?.TakeNumber() is not { } number)
            return null;
        Route? route = null;
        try
        {
            route = new Route(vm, routing, number);
            if (route.TryAssign())
                return route;
        }
        catch (LinuxException)
        {
            // As above.
        }
        if (route is null)
            routing.Free(number);
        route?.Dispose();
        return null;
    }

    /// <summary>Ends the thread; nobody is told of anything afterwards.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_thread is null)
                return;
            _end!.Signal();
        }
        if (_thread != Thread.CurrentThread)
            _thread.Join();
        lock (_gate)
            _doorbells.Clear();
        _poll!.Dispose();
        _end.Dispose();
    }

    // With the gate held.
    private void StartThread()
    {
        if (_thread is not null)
            return;
        _poll = new EventPoll();
        _end = new EventFd();
        _poll.Add(_end, EndKey);
        _thread = new Thread(Serve, ThreadStackBytes) { IsBackground = true, Name = "doorbells" };
        _thread.Start();
    }

    private void Serve()
    {
        Span<ulong> keys = stackalloc ulong[MaxAtOnce];
        while (true)
        {
            var count = _poll!.Wait(keys);
            foreach (var key in keys[..count])
            {
                if (key == EndKey)
                    return;
                Doorbell? doorbell;
                lock (_gate)
                    _doorbells.TryGetValue(key, out doorbell);
                doorbell?.OnRung();
            }
        }
    }

    private void Forget(Doorbell doorbell)
    {
        lock (_gate)
        {
            if (_doorbells.Remove(doorbell.Key))
                _poll!.Remove(doorbell.Event);
        }
    }

    private bool TryIoEventFd(ulong address, EventFd signal, uint flags)
    {
        var request = new KvmIoEventFd { Address = address, Length = length, Fd = (int)signal.Handle.DangerousGetHandle(), Flags = flags };
        return Libc.ioctl(vm, KvmRequest.IoEventFd, &request) >= 0;
    }

    private sealed class Doorbell(KvmEvents events, ulong address, Action onRung) : IDoorbell
    {
        private bool _isAssigned, _isGone;

        public ulong Key { get; set; }

        public EventFd Event { get; } = new();

        public Action OnRung => onRung;

        public bool TryAssign() => _isAssigned = events.TryIoEventFd(address, Event, 0);

        public bool TryTake() => Event.TryTake();

        public void Dispose()
        {
            if (_isGone)
                return;
            _isGone = true;
            // With the virtual machine it is gone too.
            if (_isAssigned && !events.IsClosed)
                _ = events.TryIoEventFd(address, Event, KvmIoEventFd.Deassign);
            events.Forget(this);
            Event.Dispose();
        }
    }

    private bool IsClosed => vm.IsClosed;

    private sealed class Route(SafeFileHandle vm, KvmGsiRouting routing, uint number) : IMessageRoute
    {
        private readonly EventFd _event = new();
        private (ulong Address, uint Data)? _message;
        private bool _isAssigned, _isGone;

        public bool TryAssign() => _isAssigned = TryIrqFd(0);

        public bool TrySet(ulong address, uint data)
        {
            if (_message == (address, data))
                return true;
            if (!routing.TrySetMessage(number, address, data))
                return false;
            _message = (address, data);
            return true;
        }

        public void Signal() => _event.Signal();

        public void Dispose()
        {
            if (_isGone)
                return;
            _isGone = true;
            if (!vm.IsClosed)
            {
                if (_isAssigned)
                    _ = TryIrqFd(KvmIrqFd.Deassign);
                routing.Free(number);
            }
            _event.Dispose();
        }

        private bool TryIrqFd(uint flags)
        {
            var request = new KvmIrqFd { Fd = (int)_event.Handle.DangerousGetHandle(), Gsi = number, Flags = flags };
            return Libc.ioctl(vm, KvmRequest.IrqFd, &request) >= 0;
        }
    }
}
