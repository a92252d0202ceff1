(function () {
  var view = document.getElementById('view'), track = document.getElementById('track');
  var zoom = 1, from = null;
  view.addEventListener('wheel', function (event) {
    event.preventDefault();
    var at = event.clientX - view.getBoundingClientRect().left + view.scrollLeft;
    var before = zoom;
    zoom = Math.min(1e5, Math.max(1, zoom * Math.exp(-event.deltaY / 300)));
    track.style.width = zoom * 100 + '%';
    view.scrollLeft += at * (zoom / before - 1);
  }, { passive: false });
  view.addEventListener('mousedown', function (event) { from = event.clientX + view.scrollLeft; event.preventDefault(); });
  window.addEventListener('mousemove', function (event) { if (from !== null) view.scrollLeft = from - event.clientX; });
  window.addEventListener('mouseup', function () { from = null; });
})();
